import pytest

from kerastl.apps.data.list_images import list_images
from kerastl.apps.data.load_image_folder import load_image_folder


def test_flat_and_nested_folders(tmp_path):
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.txt",
        ".c.jpg",
        "more/d.jpeg",
        ".hidden/e.jpg",
        "more/.ipynb_checkpoints/f.jpg",
        "more/@eaDir/g.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match="4 left out: hidden"):
        found = list_images(tmp_path)
    names = [str(file.relative_to(tmp_path)) for file in found]
    assert names == ["a.PNG", "b.jpg", "more/d.jpeg"]


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="unlabelled="):
        list_images(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no images"):
        list_images(tmp_path)


def test_unlabelled_images_of_a_folder(shapes, tmp_path):
    """What `shots` leaves over, a folder of class folders, a flat one."""
    options = {"image_size": 16, "batch_size": 8, "seed": 1}
    rest = load_image_folder(shapes, shots=5, unlabelled=True, **options)
    assert len(rest.unlabelled) == 3 * (15 - 3 - 5)
    used = {str(f) for f in rest.parts["train"].files}
    used |= {str(f) for f in rest.parts["validation"].files}
    assert not used & {str(f) for f in rest.unlabelled.files}
    assert any("left over" in note for note in rest.notes)
    for folder, count in ((shapes, 36), (shapes / "cross", 12)):
        data = load_image_folder(shapes, unlabelled=folder, **options)
        assert len(data.unlabelled) == count
        assert data.unlabelled.size == rest.parts["train"].size
    assert load_image_folder(shapes, **options).unlabelled is None
    assert load_image_folder(shapes, unlabelled=True, **options).unlabelled is (
        None
    )
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="None of the unlabelled"):
        load_image_folder(shapes, unlabelled=tmp_path, **options)
