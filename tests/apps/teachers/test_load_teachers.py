import keras
import pytest
from keras import layers

from kerastl import apps
from kerastl.apps.data import check_memory
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.teachers.load_teachers import load_teachers
from kerastl.apps.teachers.teacher_spec import read_teachers

CLASSES = ["cat", "dog", "owl"]


def network(shape=(16, 16, 3), units=3, activation="softmax"):
    inputs = keras.Input(shape)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, layers.Dense(units, activation)(x))


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def two_outputs():
    one = network()
    return keras.Model(one.inputs, [one.output, one.output])


def two_inputs():
    one, other = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    return keras.Model([one, other], network()(one + other))


def without_a_head():
    inputs = keras.Input((16, 16, 3))
    return keras.Model(inputs, layers.Conv2D(3, 3)(inputs))


def test_a_model_of_as_many_classes_is_taken_as_it_is():
    model = network()
    (spec,) = load_teachers(read_teachers(model), CLASSES)
    assert spec.model is model
    assert spec.label == model.name


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Subclassed, "subclassed or not built"),
        (lambda: keras.Sequential([layers.Dense(3)]), "not built"),
        (two_outputs, "1 inputs and 2 outputs"),
        (two_inputs, "2 inputs and 1 outputs"),
        (lambda: network((16, 16, 1)), r"reads \(None, 16, 16, 1\), no color"),
        (without_a_head, "ends in feature maps"),
    ],
)
def test_what_cannot_teach_is_told_why(make, reason):
    with pytest.raises(ValueError, match=f"cannot teach: .*{reason}"):
        load_teachers(read_teachers(make()), CLASSES)


@pytest.mark.parametrize(("enlarges", "size"), [(False, 16), (True, 32)])
def test_memory_for_an_adaptation_is_estimated_first(
    tmp_path, shapes, monkeypatch, enlarges, size
):
    weights = tmp_path / "resnet8.weights.h5"
    get_preset("resnet8").build(None, (16, 16, 3)).save_weights(weights)
    data = apps.load_image_folder(shapes, 16, batch_size=16)
    monkeypatch.setattr(check_memory, "memory_limit", lambda: 1 << 16)
    specs = read_teachers(f"resnet8:{weights}")
    with pytest.raises(ValueError, match=f"image_size={size}, batch_size=16"):
        load_teachers(specs, data.class_names, data, enlarges)


def test_weights_that_do_not_fit_are_said_to_be_the_teachers(tmp_path, shapes):
    """`weights` are the student's: who reads of those mends the wrong ones."""
    data = apps.load_image_folder(shapes, 16, batch_size=16)
    other = tmp_path / "other.weights.h5"
    network().save_weights(other)
    junk = tmp_path / "junk.weights.h5"
    junk.write_bytes(b"no weights")
    for teacher in ("resnet8", f"resnet8:{other}", f"resnet8:{junk}"):
        specs = read_teachers(teacher)
        with pytest.raises(ValueError, match="The teacher's weights.*") as it:
            load_teachers(specs, data.class_names, data)
        said = str(it.value)
        assert "`resnet8:FILE`" in said
        assert f"Received: teacher={specs[0].text!r}" in said


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / "teacher.keras"
    path.write_bytes(b"PK\3\4" + bytes(range(256)))
    with pytest.raises(ValueError, match=r"corrupt.*teacher\.keras"):
        load_teachers(read_teachers(path), CLASSES)


def test_names_beside_a_file_count(tmp_path):
    path = tmp_path / "model.keras"
    network(units=1, activation="sigmoid").save(path)
    labels = tmp_path / "labels.txt"
    before = keras.saving.load_model(path).get_weights()
    for names, sign in (("no\nyes\n", 1), ("yes\nno\n", -1)):
        labels.write_text(names)
        (spec,) = load_teachers(read_teachers(path), ["no", "yes"])
        *_, kernel, bias = spec.model.get_weights()
        assert (kernel == sign * before[-2]).all()
        assert (bias == sign * before[-1]).all()
    labels.write_text("no\nmaybe\n")
    with pytest.raises(ValueError, match="other classes .* of no, maybe"):
        load_teachers(read_teachers(path), ["no", "yes"])


def test_layers_behind_the_classifier_are_not_overlooked(tmp_path):
    inner = network(activation=None)
    scaled = layers.BatchNormalization(name="behind")
    outputs = layers.Softmax()(scaled(inner.output))
    model = keras.Model(inner.inputs, outputs)
    scaled.gamma.assign([1.0, 30.0, 5.0])
    scaled.beta.assign([0.0, 1.0, 2.0])
    model.save(tmp_path / "model.keras")
    (tmp_path / "labels.txt").write_text("owl\ncat\ndog\n")
    with pytest.raises(ValueError, match="cannot be put in theirs"):
        load_teachers(read_teachers(tmp_path), CLASSES)


def test_one_logit_in_the_other_order(tmp_path):
    model = network(units=1, activation=None)
    model.save(tmp_path / "model.keras")
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    (spec,) = load_teachers(read_teachers(tmp_path), ["no", "yes"])
    for old, new in zip(
        model.get_weights()[-2:], spec.model.get_weights()[-2:], strict=True
    ):
        assert (new == -old).all()
