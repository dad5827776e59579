# %% [markdown]
# # A pre-trained network, your classes, plain Keras
#
# Fine-tune an anti-aliased network on 25 images a class with `compile` and
# `fit`, look at what the blur bought, and write files that are checked. Runs
# offline in a minute: a small network that knows the digits 0 to 4 stands for
# one from `keras.applications`, the digits 5 to 9 for your photos.

# %%
import keras

import kerastl
from kerastl import apps
from kerastl import export
from kerastl.apps.runs.digits_experiment import train_digits_source

keras.utils.set_random_seed(0)
photos = apps.load_digits_pair(shots=25, image_size=24).target
source, _ = train_digits_source()
# With your own photos, and weights of ImageNet:
# photos = apps.load_image_folder("photos", image_size=128)
# source = apps.MobileNetV2(weights="imagenet", input_shape=(128, 128, 3))

# %% [markdown]
# ## The student
#
# `antialias` blurs before every stride: weights, names and sizes stay. The new
# classifier begins as the mean features of each class.

# %%
print(kerastl.inspect_antialias(source))
student = kerastl.antialias(source, kernel_size=3)
student = kerastl.replace_head(student, num_classes=photos.num_classes)
kerastl.imprint_head(student, photos.calibration)

# %% [markdown]
# ## The training
#
# A `FineTuner` is a `keras.Model`. Its terms hold the student to the network
# that it came from, here KTFT's; without any it is plain fine-tuning.

# %%
epochs = 20
steps = epochs * len(photos.train)
tuner = kerastl.FineTuner(student, source=source)
tuner.compile(
    optimizer=keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.05, steps),
        momentum=0.9,
    ),
    loss="sparse_categorical_crossentropy",
    transfer_losses=[
        kerastl.losses.PixelLevel(0.1, relative=True),
        kerastl.losses.GlobalLevel(0.1, relative=True),
    ],
    metrics=["accuracy"],
)
tuner.fit(photos.train, epochs=epochs, verbose=0)
accuracy = tuner.evaluate(photos.test, verbose=0, return_dict=True)["accuracy"]
print(f"accuracy {100 * accuracy:.1f} %")

# %% [markdown]
# ## What the blur buys
#
# The share of images whose answer stays the same when they move by a pixel or
# a few.

# %%
images, _ = photos.larger_images("test", limit=200)
consistency = kerastl.metrics.shift_consistency(
    lambda crops: student.predict(crops, verbose=0), images, 24
)
print(f"shift consistency {100 * consistency:.1f} %")

# %% [markdown]
# ## Files
#
# Every export runs the file that it wrote and compares it with the Keras
# model; with `max_accuracy_drop` it refuses one that lost more.

# %%
for write, name in (
    (export.to_tflite, "digits.tflite"),
    (export.to_onnx, "digits.onnx"),
):
    report = write(
        student,
        name,
        scheme="int8",
        calibration=photos.calibration,
        evaluation=photos.test,
        max_accuracy_drop=0.02,
        overwrite=True,
    )
    print(report)
