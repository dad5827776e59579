import math
import pathlib
import sys
import warnings
import zipfile

import nltk
import numpy as np
import pytest

import kerastl
from kerastl.surgery import wordnet as module
from kerastl.surgery.wordnet import WordNet

DEBIAN = pathlib.Path("/usr/share/wordnet")

# The tree of the tests, with a word that has two meanings and two synsets
# that have two parents. Offsets are the bytes at which their lines start.
NOUNS = {
    "entity": (1740, []),
    "thing": (2000, ["entity"]),
    "animal": (3000, ["thing"]),
    "bird": (3100, ["animal"]),
    "fish": (3200, ["animal"]),
    "tench": (3300, ["fish"]),
    "machine": (4000, ["thing"]),
    "crane": (4100, ["machine"]),
    "toy_bird": (5000, ["bird", "thing"]),
    "decoy": (5200, ["fish", "entity"]),
}


def write_dictionary(folder):
    """Writes what Debian's dictionary has: no lexnames, no index.sense."""
    data, index = "", ["  a licence, in lines that start with blanks"]
    for name, (offset, parents) in NOUNS.items():
        pointers = [f"@ {NOUNS[parent][0]:08} n 0000" for parent in parents]
        pointers.append("~ 00009999 n 0000")
        # A line of the licence fills what is in front.
        data += " " * (offset - len(data) - 1) + "\n"
        data += (
            f"{offset:08} 03 n 01 {name} 0 {len(pointers):03} "
            f"{' '.join(pointers)} | a gloss @ 00001740 n 0000\n"
        )
        senses = [offset]
        if name == "crane":
            senses.append(NOUNS["bird"][0])
        index.append(
            f"{name} n {len(senses)} 2 @ ~ {len(senses)} 0 "
            + " ".join(f"{sense:08}" for sense in senses)
        )
    folder.mkdir(parents=True)
    for part in ("noun", "verb", "adj", "adv"):
        _write(folder / f"data.{part}", "  a licence\n")
        _write(folder / f"index.{part}", "  a licence\n")
        _write(folder / f"{part}.exc", "")
    _write(folder / "data.noun", data)
    _write(folder / "index.noun", "\n".join(index) + "\n")
    _write(folder / "noun.exc", "cranium crane\n")
    return folder


def _write(path, text):
    path.write_text(text)
    # NLTK refuses what others may write to, as some have it by default.
    path.chmod(0o644)


def _zip(folder, archive):
    with zipfile.ZipFile(archive, "w") as file:
        for part in folder.iterdir():
            file.write(part, f"wordnet/{part.name}")
    archive.chmod(0o644)
    return archive


@pytest.fixture
def folder(tmp_path):
    return write_dictionary(tmp_path / "wordnet")


@pytest.fixture
def bare_system(monkeypatch, tmp_path):
    """The folder for NLTK's data, on a system without any dictionary."""
    monkeypatch.delenv("WNSEARCHDIR", raising=False)
    monkeypatch.setattr(module, "_DEBIAN", ())
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    return tmp_path / "nltk_data"


def test_measures(folder):
    wordnet = WordNet(folder)
    tench, crane = wordnet.find("tench"), wordnet.find("crane")
    assert (tench, crane) == (3300, 4100)
    # tench - fish - animal - thing - machine - crane
    assert wordnet.path(tench, crane) == pytest.approx(1 / 6)
    # Depths from 1: thing 2, tench 5, crane 4.
    assert wordnet.wu_palmer(tench, crane) == pytest.approx(2 * 2 / (5 + 4))
    # The deepest nouns are 4 below the root.
    assert wordnet.leacock_chodorow(tench, crane) == pytest.approx(
        -math.log(6 / (2 * 4))
    )
    for measure in (wordnet.path, wordnet.wu_palmer):
        assert measure(tench, tench) == 1.0
        assert measure(tench, crane) == measure(crane, tench)
    # By the shorter of its two ways up.
    toy = wordnet.find("toy bird")
    assert wordnet.path(toy, crane) == pytest.approx(1 / 4)
    # By way of what they share, thing: 3 steps, not 1 past it and 1 down.
    decoy = wordnet.find("decoy")
    assert wordnet.wu_palmer(decoy, crane) == pytest.approx(4 / (5 + 4))


@pytest.mark.parametrize(
    "name, offset",
    [
        ("n00003300", 3300),
        ("Tench", 3300),
        ("Tinca tinca, tench", 3300),
        ("toy-bird", 5000),
        ("Toy  Birds", 5000),
        ("ten-ch", 3300),
        ("cranes", 4100),
        ("birds", 3100),
        # By the dictionary's list of exceptions.
        ("cranium", 4100),
    ],
)
def test_names(folder, name, offset):
    assert WordNet(folder).find(name) == offset


def test_unknown_names(folder):
    wordnet = WordNet(folder)
    assert not wordnet.knows("longsleeve") and wordnet.knows("bird")
    for name in ("longsleeve", "n00000001", "n00003305", "n99999999", ""):
        with pytest.raises(ValueError, match=f"class '{name}'"):
            wordnet.find(name)


def test_a_zip_of_nltk_is_read(folder, tmp_path):
    wordnet = WordNet(_zip(folder, tmp_path / "wordnet.zip"))
    tench, crane = wordnet.find("tench"), wordnet.find("crane")
    assert (tench, crane) == (3300, 4100)
    assert wordnet.path(tench, crane) == pytest.approx(1 / 6)
    assert wordnet.leacock_chodorow(tench, crane) == pytest.approx(
        -math.log(6 / (2 * 4))
    )


@pytest.mark.parametrize("zipped", [False, True])
def test_the_download_of_nltk_is_found(bare_system, zipped):
    with pytest.raises(FileNotFoundError, match="Received: dictionary=None"):
        WordNet()
    folder = write_dictionary(bare_system / "corpora" / "wordnet")
    # Of what NLTK's has besides, nothing is read.
    for name in ("lexnames", "index.sense"):
        _write(folder / name, "")
    if zipped:
        _zip(folder, folder.with_suffix(".zip"))
        folder.rename(folder.with_name("elsewhere"))
    assert WordNet().find("bird") == 3100


def test_debians_folder_is_found(bare_system, folder, monkeypatch):
    monkeypatch.setattr(module, "_DEBIAN", ("not-there", str(folder)))
    assert WordNet().find("bird") == 3100


def test_what_nltk_may_open_stays(folder):
    before = list(nltk.data.path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wordnet = WordNet(folder)
        assert not wordnet.knows("n00000001")
        wordnet.leacock_chodorow(3100, 4100)
    assert nltk.data.path == before


def test_the_matrix(folder, monkeypatch):
    monkeypatch.setenv("WNSEARCHDIR", str(folder))
    matrix = kerastl.similarity_matrix(
        "path",
        target_classes=["bird", "crane"],
        source_classes=["n00003300", "machine", "bird"],
    )
    np.testing.assert_allclose(
        matrix, [[1 / 4, 1 / 4, 1], [1 / 6, 1 / 2, 1 / 5]]
    )


def test_no_dictionary(tmp_path):
    with pytest.raises(FileNotFoundError, match="apt-get install wordnet-base"):
        WordNet(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_dictionary_that_lacks_a_file(folder, tmp_path, zipped):
    (folder / "adv.exc").unlink()
    place = _zip(folder, tmp_path / "wordnet.zip") if zipped else folder
    with pytest.raises(FileNotFoundError, match=r"adv\.exc.*Received: .*word"):
        WordNet(place)


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk", None)
    with pytest.raises(ImportError, match="NLTK.*`pip install nltk`"):
        WordNet(folder)


@pytest.mark.slow
def test_the_real_dictionary():
    """Figures for WordNet 3.0."""
    if not DEBIAN.is_dir():
        pytest.skip("needs the dictionary: apt-get install wordnet-base")
    wordnet = WordNet(DEBIAN)
    dress, tench = wordnet.find("dress"), wordnet.find("n01440764")
    assert dress == 3236735
    assert wordnet.path(dress, tench) == pytest.approx(0.05263157894736842)
    assert wordnet.wu_palmer(dress, tench) == pytest.approx(0.3076923076923077)
    assert wordnet.leacock_chodorow(dress, tench) == pytest.approx(
        0.6931471805599453
    )
    # Two ancestors are as low: a vehicle, and one with wheels at depth 9.
    assert wordnet.wu_palmer(
        wordnet.find("recreational vehicle"), wordnet.find("tricycle")
    ) == pytest.approx(2 * 9 / (11 + 10))
    # A T-shirt is listed as one word, with a hyphen, or with an underscore.
    assert {wordnet.find(n) for n in ("t-shirt", "T shirt", "tee shirt")} == {
        3595614
    }
    assert wordnet.find("polo-shirts") == wordnet.find("polo shirt")
    # Plurals, by rule and by the list of exceptions.
    for several, one in (("bees", "bee"), ("tomatoes", "tomato")):
        assert wordnet.find(several) == wordnet.find(one)
    assert wordnet.find("mice, rats") == wordnet.find("mouse")
    for digit in "0123456789":
        assert wordnet.knows(digit)
