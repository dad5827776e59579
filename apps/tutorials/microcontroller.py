# %% [markdown]
# # A network for a microcontroller
#
# Trained with the rounding of int8, checked for TensorFlow Lite Micro, written
# as C++ with a sketch around it. Runs offline in a minute, on digits: with
# photos of your own write their folder in place of "digits", leave `weights`
# out, and take `preset="mobilenet_v2"` with
# `preset_arguments={"alpha": 0.35}` and `image_size=96`.

# %%
import pathlib

from kerastl import apps
from kerastl import export
from kerastl.apps.runs.digits_experiment import train_digits_source

source, _ = train_digits_source()
result = apps.fine_tune(
    "digits",
    preset="resnet8",
    weights=source,
    image_size=24,
    # Then a copy goes on with weights and activations rounded.
    qat=3,
    exports=["tflite:int8"],
    target="tflite-micro",
    output="runs/microcontroller",
)
print(result)
file = pathlib.Path("runs/microcontroller/model_int8.tflite")

# %% [markdown]
# ## Does it fit?
#
# The operators that the device needs, the memory that its tensors take, the
# multiply-adds of one image.

# %%
print(export.check(file, target="tflite-micro"))

# %% [markdown]
# ## Into the firmware
#
# The network as an array, a header with its sizes, scales and labels, and a
# sketch with `setup` and `loop` that cuts the middle out of a camera's frame,
# runs the network and prints the class. To read the camera is left to you.

# %%
for path in export.write_c_array(
    file, "runs/microcontroller/firmware", name="digits"
):
    print(path)
