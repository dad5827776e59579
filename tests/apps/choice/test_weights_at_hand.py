import pytest

from kerastl.apps.choice.weights_at_hand import preset_of
from kerastl.apps.choice.weights_at_hand import usual_places
from kerastl.apps.choice.weights_at_hand import weights_at_hand


@pytest.mark.parametrize(
    "name, label",
    [
        (
            "mobilenet_v2_0.35_224_imagenet_notop.weights.h5",
            "mobilenet_v2 0.35",
        ),
        (
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            "mobilenet_v2 1.0",
        ),
        ("mobilenet_2_5_128_tf_no_top.h5", "mobilenet 0.25"),
        ("mobilenet_v1_0.25_224_imagenet_top.weights.h5", "mobilenet 0.25"),
        (
            "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            "mobilenet_v3_small 1.0",
        ),
        ("efficientnetb0_notop.h5", "efficientnet_b0"),
        ("efficientnetv2-b0_notop.h5", "efficientnet_v2_b0"),
        (
            "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "resnet50_v2",
        ),
        ("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "resnet50"),
        ("NASNet-mobile-no-top.h5", "nasnet_mobile"),
        ("convnext_tiny_notop.h5", "convnext_tiny"),
    ],
)
def test_a_file_is_known_by_its_name(tmp_path, name, label):
    (tmp_path / name).touch()
    [found] = weights_at_hand([tmp_path])
    assert found.label == label
    assert found.path == tmp_path / name


def test_other_files_are_passed_over(tmp_path):
    for name in ("imagenet_classes.csv", "mobilenet_v2.txt", "mine.keras"):
        (tmp_path / name).touch()
    assert weights_at_hand([tmp_path, tmp_path / "missing"]) == []
    assert preset_of("mine.keras") is None


def test_hidden_files_folders_and_dead_links_are_no_weights(tmp_path):
    real = tmp_path / "mobilenet_v2_0.5_notop.weights.h5"
    real.touch()
    (tmp_path / f"._{real.name}").touch()
    (tmp_path / "._resnet50_notop.h5").touch()
    (tmp_path / "vgg16_notop.h5").mkdir()
    (tmp_path / "vgg19_notop.h5").symlink_to(tmp_path / "gone.h5")
    assert [each.path for each in weights_at_hand([tmp_path])] == [real]


def test_of_one_network_the_file_without_classifier_is_taken(tmp_path):
    for name in (
        "mobilenet_v2_0.5_top.h5",
        "mobilenet_v2_0.5_notop.h5",
        "mobilenet_v2_1.0_top.h5",
    ):
        (tmp_path / name).touch()
    found = weights_at_hand([tmp_path])
    assert [each.path.name for each in found] == [
        "mobilenet_v2_0.5_notop.h5",
        "mobilenet_v2_1.0_top.h5",
    ]


def test_looks_in_keras_downloads_and_beside_the_photos(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert usual_places(tmp_path / "photos") == [
        tmp_path / "keras" / "models",
        tmp_path / "weights",
    ]
