"""Frames of videos, of files that the tests write themselves."""

import sys

import numpy as np
import pytest
from PIL import Image

from kerastl import apps
from kerastl.apps.data.load_image_folder import load_image_folder
from kerastl.apps.data.load_unlabelled import list_images
from kerastl.apps.data.load_unlabelled import read_video
from kerastl.apps.data.same_photos import Pictures
from kerastl.apps.data.same_photos import fingerprint

av = pytest.importorskip("av")


def scenes(count, seed=0):
    """Smooth pictures 48 x 64, of which no two are alike."""
    drawn = np.random.default_rng(seed).uniform(0, 255, (count, 4, 4, 3))
    return [
        np.asarray(Image.fromarray(each.astype("uint8")).resize((64, 48), 2))
        for each in drawn
    ]


def write(path, frames, rate=8, rotation=0):
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        stream.options = {"crf": "5"}
        if rotation:
            stream.set_display_rotation(rotation)
        for frame in [*frames, None]:
            if frame is not None:
                frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
            video.mux(list(stream.encode(frame)))
    return path


def middle(scene):
    return scene[:, 8:56].astype(int)


def test_every_scene_once(tmp_path):
    pictures = scenes(6)
    # A second of each, then the first again.
    held = [each for each in [*pictures, pictures[0]] for _ in range(8)]
    frames, looked = read_video(write(tmp_path / "a.mp4", held), 48, 100)
    assert looked == 4 * 7
    assert frames.dtype == "uint8"
    assert len(frames) == 6
    for frame, scene in zip(frames, pictures, strict=True):
        assert np.abs(frame - middle(scene)).mean() < 4


def test_half_go_where_there_is_no_room(tmp_path):
    pictures = scenes(16)
    # Four a second, each looked at.
    frames, looked = read_video(
        write(tmp_path / "a.mkv", pictures, rate=4), 48, 5
    )
    # The sixth is one too many: 0, 2 and 4 stay, and every second one is
    # looked at, 6, 8 and 10; then 0, 4 and 8 stay, and 12 comes.
    left = [
        int(np.argmin([np.abs(frame - middle(s)).mean() for s in pictures]))
        for frame in frames
    ]
    assert left == [0, 4, 8, 12]
    assert looked == 6 + 3 + 1


@pytest.mark.parametrize("degrees, turns", [(90, 1), (-90, -1), (180, 2)])
def test_rotation_that_a_phone_notes(tmp_path, degrees, turns):
    (scene,) = scenes(1)
    path = write(tmp_path / "a.mov", [scene] * 3, rotation=degrees)
    frames, _ = read_video(path, 48, 9)
    # Counter-clockwise, as browsers show it.
    turned = np.rot90(scene, turns).astype(int)
    expected = turned[:, 8:56] if turns == 2 else turned[8:56]
    assert np.abs(frames[0] - expected).mean() < 4


def test_copies_of_known_pictures_are_left_out(tmp_path):
    pictures = scenes(3)
    known = Pictures()
    known.add(*fingerprint(Image.fromarray(pictures[1][:, 8:56])))
    path = write(tmp_path / "a.mp4", pictures, rate=2)
    frames, looked = read_video(path, 48, 9, known)
    assert looked == 3
    assert len(frames) == 2
    assert np.abs(frames[1] - middle(pictures[2])).mean() < 4


def test_a_cut_file_gives_what_there_is(tmp_path):
    path = tmp_path / "a.mkv"
    write(path, scenes(12), rate=4)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    frames, looked = read_video(path, 48, 100)
    assert 2 <= len(frames) == looked < 12


def test_what_holds_no_frames_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all" * 50)
    with pytest.raises(ValueError, match="no frames to read.*Received"):
        read_video(path, 48, 9)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="no frames to read.*Received"):
        read_video(path, 48, 9)
    with av.open(str(path), "w") as sound:
        stream = sound.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), "float32"), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        for each in (frame, None):
            sound.mux(list(stream.encode(each)))
    with pytest.raises(ValueError, match="it has no picture"):
        read_video(path, 48, 9)


def test_a_playlist_opens_nothing(tmp_path):
    write(tmp_path / "real.mp4", scenes(2))
    path = tmp_path / "list.mp4"
    for text in (
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
    ):
        path.write_text(text.format(tmp_path / "real.mp4"))
        with pytest.raises(ValueError, match="no frames to read"):
            read_video(path, 48, 9)


def test_photos_and_videos_of_a_folder(shapes, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    options = {"image_size": 16, "test_split": 0.2, "seed": 0}
    test = apps.load_image_folder(shapes, **options).parts["test"]
    pictures = scenes(4)
    for number in (0, 1):
        Image.fromarray(pictures[number]).save(mixed / f"{number}.png")
    # A photo of the test, filmed; the codec takes even sizes only.
    filmed = Image.open(test.files[0]).convert("RGB").resize((48, 48))
    square = [np.asarray(filmed), *(each[:, 8:56] for each in pictures[2:])]
    write(mixed / "clip.mp4", square, rate=2)
    data = apps.load_image_folder(shapes, unlabelled=mixed, **options)
    size = data.parts["train"].size
    assert len(data.unlabelled) == 4
    images = data.unlabelled.read(np.arange(4))
    for image, scene in zip(images, pictures, strict=True):
        small = Image.fromarray(scene[:, 8:56]).resize((size, size), 2)
        assert np.abs(image - np.asarray(small).astype(int)).mean() < 6
    notes = " ".join(data.notes)
    assert "4 unlabelled images." in notes
    assert "2 frames of clip.mp4 differ enough, of 3" in notes
    assert not any("clip" in file for file, _ in data.left_out)
    alone = apps.load_image_folder(
        shapes, unlabelled=mixed / "clip.mp4", **options
    )
    assert np.array_equal(alone.unlabelled.read(np.arange(2)), images[2:])
    with pytest.raises(ValueError, match="do not fit in memory.*Received"):
        apps.load_image_folder(
            shapes, unlabelled=mixed, memory_limit=500, **options
        )


def test_without_the_reader_it_is_named(tmp_path, shapes, monkeypatch):
    path = write(tmp_path / "a.mp4", scenes(1))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"kerastl\[video\].*Received"):
        apps.load_image_folder(shapes, 16, unlabelled=path)


def test_a_broken_video_among_photos_is_left_out_and_counted(shapes, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    Image.fromarray(scenes(1)[0]).save(mixed / "a.png")
    (mixed / "broken.mp4").write_bytes(b"no video" * 90)
    with pytest.warns(UserWarning, match="broken.mp4"):
        data = apps.load_image_folder(shapes, 16, unlabelled=mixed)
    assert len(data.unlabelled) == 1
    (reason,) = [why for file, why in data.left_out if "broken" in file]
    assert "no frames" in reason
    (mixed / "a.png").unlink()
    with pytest.raises(ValueError, match="None of the unl.*broken.*no frames"):
        apps.load_image_folder(shapes, 16, unlabelled=mixed)


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
