import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.run_progress import RunProgress
from kerastl.apps.teachers.adapt_teacher import teacher_size
from kerastl.apps.teachers.load_teachers import load_teachers
from kerastl.apps.teachers.prepare_teachers import prepare_teachers
from kerastl.apps.teachers.prepare_teachers import remove_teachers
from kerastl.apps.teachers.teacher_spec import read_teachers

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture
def data(shapes):
    return apps.load_image_folder(shapes, 16, batch_size=16)


@pytest.fixture
def prepare(data, tmp_path):
    """Prepares teachers of one file in a run's folder."""
    source = get_preset("resnet8").build(None, (16, 16, 3), include_top=False)

    def run(teacher, load_at=None):
        folder = RunFolder(tmp_path / "run", {}, {}, resume=True)
        with folder.hold():
            folder.begin()
            specs = load_teachers(read_teachers(teacher), data.class_names)
            return prepare_teachers(
                specs,
                source,
                data,
                load_at,
                folder,
                1,
                RunProgress(),
                seed=3,
            )

    return run


@pytest.mark.parametrize(
    ("size", "preset", "expected"),
    [
        (128, "mobilenet_v2", 160),
        (96, "mobilenet_v2", 128),
        (224, "vgg16", 288),
    ],
)
def test_teachers_look_at_larger_images(size, preset, expected):
    assert teacher_size(size, get_preset(preset)) == expected


def perfect(names, folder, units=None):
    """A file of a network that knows one class from another by chance."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Flatten()(x)
    units = units or len(names)
    outputs = keras.layers.Dense(
        units, "sigmoid" if units == 1 else "softmax", name="predictions"
    )(x)
    model = keras.Model(inputs, outputs)
    model.save(folder / "model.keras")
    (folder / "labels.txt").write_text("\n".join(names) + "\n")
    return model


@pytest.mark.filterwarnings("ignore:The teacher .* names")
def test_classes_in_another_order_are_put_in_the_photos(
    prepare, data, tmp_path
):
    made = perfect(["square", "circle", "cross"], tmp_path)
    (model,), (row,) = prepare(tmp_path)
    images, labels = data.images("validation")
    images = images.astype("float32")
    before = made.predict(images, verbose=0)
    # circle, cross, square
    expected = before[:, [1, 2, 0]]
    np.testing.assert_allclose(
        model.predict(images, verbose=0), expected, rtol=1e-5
    )
    assert row["accuracy"] == np.mean(expected.argmax(-1) == labels)
    assert row["part"] == "validation"
    assert "seconds" not in row


def test_other_classes_are_refused(prepare, tmp_path):
    perfect(["square", "circle", "star"], tmp_path)
    with pytest.raises(
        ValueError, match=r"other classes.*square, circle, star"
    ):
        prepare(tmp_path)
    (tmp_path / "labels.txt").unlink()
    perfect(["a", "b"], tmp_path)
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(ValueError, match="of 2 classes without names"):
        prepare(tmp_path / "model.keras")


def test_a_teacher_that_knows_less_than_the_student_is_told(prepare, tmp_path):
    model = perfect(["circle", "cross", "square"], tmp_path)
    model.get_layer("predictions").bias.assign([50.0, 0.0, 0.0])
    with pytest.warns(UserWarning, match="names 33.3 % of .*little to learn"):
        prepare(model)


@pytest.mark.filterwarnings("ignore:The teacher .* names")
def test_a_preset_is_adapted_once(prepare, shapes, tmp_path, monkeypatch):
    source = get_preset("resnet8").build(None, (16, 16, 3), classes=4)
    file = tmp_path / "resnet8.weights.h5"
    source.save_weights(file)
    asked = []

    def load_at(size):
        asked.append(size)
        return apps.load_image_folder(shapes, size, batch_size=16)

    (model,), (row,) = prepare(f"resnet8:{file}", load_at)
    assert asked == [32]
    assert model.input_shape == (None, 32, 32, 3)
    assert row["image_size"] == 32
    assert row["seconds"] >= 0
    kept = tmp_path / "run" / "teacher-1.keras"
    assert kept.exists()
    assert not kept.with_suffix(".npz").exists()
    (again,), _ = prepare(f"resnet8:{file}", load_at)
    assert asked == [32]
    for one, other in zip(
        model.get_weights(), again.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    folder = RunFolder(tmp_path / "run", {}, {}, resume=True)
    remove_teachers(folder, read_teachers(f"resnet8:{file}"))
    assert not kept.exists()
