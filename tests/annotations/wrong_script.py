"""What mypy must not let pass: each line with the error that it says.

It is checked, not run.
"""

import keras

import kerastl
from kerastl import apps
from kerastl import export


def mistakes(model: keras.Model, photos: apps.ImageFolder) -> None:
    kerastl.replace_heads(model, num_classes=3)  # error: attr-defined
    kerastl.replace_head(model, classes=3)  # error: call-arg
    kerastl.replace_head(model, "three")  # error: arg-type
    kerastl.antialias(model, padding="mirror")  # error: arg-type
    kerastl.FineTuner(model, batch_norm="frozen")  # error: arg-type
    tuner = kerastl.FineTuner(model)
    tuner.compile(
        transfer_losses=[keras.losses.Hinge(), "bss"],  # error: list-item
    )
    kerastl.losses.BSS(k="one")  # error: arg-type
    kerastl.schedules.ConstantSparsity()  # error: call-arg
    kerastl.callbacks.RIFLE(period=4)  # error: call-arg
    export.to_tflite(model, "a.tflite", scheme="int2")  # error: arg-type
    export.to_tflite(model, "a.tflite", calibration=photos)  # error: arg-type
    export.to_onnx(model, 17)  # error: arg-type
    print(kerastl.export.load("a.tflite").predictions)  # error: attr-defined
    kerastl.apps.fine_tune("photos", epochs="ten")  # error: arg-type
    photos.num_classes = 3  # error: misc
    names: list[int] = kerastl.surgery.default_taps(model)  # error: assignment
    print(names)
