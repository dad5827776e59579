# %% [markdown]
# # From a folder of photos to a Raspberry Pi
#
# One call trains, exports and measures; what goes to the Pi is one file and a
# small script. Runs offline in a minute, on digits: with photos of your own
# write their folder in place of "digits", leave `weights` out, and take
# `preset="mobilenet_v2"`.

# %%
import pathlib
import subprocess
import sys

from PIL import Image

from kerastl import apps
from kerastl.apps.runs.digits_experiment import train_digits_source

source, _ = train_digits_source()
result = apps.fine_tune(
    "digits",
    preset="resnet8",
    weights=source,
    image_size=24,
    exports=["tflite:int8", "tflite:float32"],
    # What a Pi's processor runs fast is checked.
    target="xnnpack",
    max_accuracy_drop=0.02,
    output="runs/raspberry_pi",
)
print(result)

# %% [markdown]
# ## Which file?
#
# Side by side on this machine, one thread each: sizes and times are those of
# a Pi only in proportion.

# %%
folder = pathlib.Path("runs/raspberry_pi")
files = ["model_int8.tflite", "model_float32.tflite"]
print(apps.benchmark([folder / name for name in files], threads=[1]))

# %% [markdown]
# ## On the Pi
#
# Copy `model_int8.tflite` and `predict.py`, and install what it takes:
#
#     pip install ai-edge-litert numpy pillow
#     python predict.py model_int8.tflite photo.jpg
#
# The labels and the preprocessing are inside the file. Here the same happens
# in a process of its own, which loads neither Keras nor TensorFlow.

# %%
photos = apps.load_digits_pair(shots=25, image_size=24).target
images, labels = photos.larger_images("test", limit=5)
names = [f"a_{photos.class_names[label]}.png" for label in labels]
for name, image in zip(names, images, strict=True):
    Image.fromarray(image).save(folder / name)
said = subprocess.run(
    [sys.executable, "predict.py", "model_int8.tflite", *names],
    cwd=folder,
    capture_output=True,
    text=True,
    check=True,
).stdout
print(said)
