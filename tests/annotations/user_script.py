"""What a user may write: mypy finds nothing in it, in its strict mode.

It is checked, not run.
"""

# mypy: disallow-untyped-calls, disallow-subclassing-any, warn-return-any

import pathlib

import keras
import numpy as np

import kerastl
from kerastl import apps
from kerastl import export


@keras.saving.register_keras_serializable(package="mine")
class AbsoluteDifference(kerastl.losses.TransferLoss):
    def call(
        self,
        student: dict[str, kerastl.types.Tensor],
        source: dict[str, kerastl.types.Tensor],
    ) -> kerastl.types.Tensor:
        return sum(
            self.tap_weight(tap)
            * keras.ops.mean(keras.ops.abs(student[tap] - source[tap]))
            for tap in student
        )


def fine_tune(folder: pathlib.Path, epochs: int = 20) -> keras.Model:
    photos = apps.load_image_folder(folder, image_size=128, flip=False)
    source = apps.MobileNetV2(weights="imagenet", input_shape=(128, 128, 3))
    student = kerastl.antialias(source, kernel_size=3, place="kernel")
    student = kerastl.replace_head(student, num_classes=photos.num_classes)
    similar: float = kerastl.imprint_head(student, photos.calibration)
    print(f"cosine {similar:.2f}", photos.summary().splitlines()[0])

    tuner = kerastl.FineTuner(student, source=source, batch_norm="freeze")
    steps = epochs * len(photos.train)
    schedule = kerastl.schedules.CyclicCosine(0.01, steps, periods=4)
    attention: dict[str, np.ndarray] = kerastl.compute_channel_attention(
        source, kerastl.train_head(source, photos.train), photos.train
    )
    tuner.compile(
        optimizer=keras.optimizers.SGD(schedule, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        transfer_losses=[
            kerastl.losses.DELTA(0.64, attention),
            kerastl.losses.GlobalLevel(10.0, tap_weights={"out_relu": 2}),
            kerastl.losses.PseudoLabels(adapt="flexmatch"),
            AbsoluteDifference(weight=0.1),
        ],
        metrics=["accuracy"],
    )
    kerastl.regularizers.L2SP(0.1).attach(tuner.student)
    pruning = kerastl.callbacks.MagnitudePruning(
        kerastl.schedules.PolynomialSparsity(0.0, 0.5, 0, steps)
    )
    rifle = kerastl.callbacks.RIFLE(periods=4, seed=0)
    tuner.fit(
        photos.train,
        validation_data=photos.validation,
        epochs=epochs,
        callbacks=[pruning, rifle],
    )
    model = tuner.student
    images, labels = photos.larger_images("test")
    steady = kerastl.metrics.shift_consistency(model, images, 128)
    both = kerastl.metrics.shift_consistency(model, images, 128, labels)
    print(f"{steady:.1%}", f"{both[1]:.1%}", rifle.epochs)
    print(f"{kerastl.count_multiply_adds(model) / 1e6:.0f} million")
    return model


def ship(model: keras.Model, photos: apps.ImageFolder) -> pathlib.Path:
    report = export.to_tflite(
        model,
        "model.tflite",
        scheme="int8",
        calibration=photos.calibration,
        evaluation=photos.validation,
        max_accuracy_drop=0.01,
    )
    if report.accuracy_drop is not None:
        print(f"{100 * report.accuracy_drop:.1f} points")
    test = photos.test or photos.calibration
    worst = export.diagnose(model, report.path, test).layers[0]
    print(worst.layer, export.check(report.path, target="tflite-micro").passed)
    runner = export.load(report.path)
    scores = runner.predict(np.zeros((1, 128, 128, 3)))
    print(runner.format, scores.shape, runner.input["dtype"])
    metadata = export.read_metadata(report.path)
    print(metadata and metadata.class_names)
    return export.write_c_array(report.path, "firmware")[0]


def all_in_one(folder: pathlib.Path) -> None:
    choice = kerastl.apps.choose(folder, minutes=5)
    result = kerastl.apps.fine_tune(
        folder, method=choice.method, exports=["onnx:int8"], output="runs/mine"
    )
    page = apps.write_page(result.output / "model_int8.onnx")
    found = apps.predict(page.parent / "model_int8.onnx", ["photo.jpg"])
    print(found.predictions[0], result.model.name)
