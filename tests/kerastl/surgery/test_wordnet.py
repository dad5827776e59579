import math
import zipfile

import numpy as np
import pytest

import kerastl
from kerastl.surgery.wordnet import WordNet

# The tree of the tests, with a word that has two meanings and one synset
# that has two parents. Offsets are what they may be in a real file.
NOUNS = {
    "entity": (1740, []),
    "thing": (2000, ["entity"]),
    "animal": (3000, ["thing"]),
    "bird": (3100, ["animal"]),
    "fish": (3200, ["animal"]),
    "tench": (3210, ["fish"]),
    "machine": (4000, ["thing"]),
    "crane": (4100, ["machine"]),
    "toy_bird": (5000, ["bird", "thing"]),
}


def write_dictionary(folder):
    data, index = ["  1 a licence, in lines that start with blanks"], ["  2"]
    for name, (offset, parents) in NOUNS.items():
        pointers = [f"@ {NOUNS[parent][0]:08} n 0000" for parent in parents]
        pointers.append("~ 00009999 n 0000")
        data.append(
            f"{offset:08} 03 n 01 {name} 0 {len(pointers):03} "
            f"{' '.join(pointers)} | a gloss @ 00001740 n 0000"
        )
        senses = [offset]
        if name == "crane":
            senses.append(NOUNS["bird"][0])
        index.append(
            f"{name} n {len(senses)} 2 @ ~ {len(senses)} 0 "
            + " ".join(f"{sense:08}" for sense in senses)
        )
    folder.mkdir(exist_ok=True)
    (folder / "data.noun").write_text("\n".join(data) + "\n")
    (folder / "index.noun").write_text("\n".join(index) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_dictionary(tmp_path / "wordnet")


def test_measures(folder):
    wordnet = WordNet(folder)
    tench, crane = wordnet.find("tench"), wordnet.find("crane")
    assert (tench, crane) == (3210, 4100)
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


@pytest.mark.parametrize(
    "name, offset",
    [
        ("n00003210", 3210),
        ("Tench", 3210),
        ("Tinca tinca, tench", 3210),
        ("toy-bird", 5000),
        ("cranes", 4100),
        ("birds", 3100),
    ],
)
def test_names(folder, name, offset):
    assert WordNet(folder).find(name) == offset


def test_unknown_names(folder):
    wordnet = WordNet(folder)
    assert not wordnet.knows("longsleeve") and wordnet.knows("bird")
    for name in ("longsleeve", "n00000001"):
        with pytest.raises(ValueError, match=f"class '{name}'"):
            wordnet.find(name)


def test_a_zip_of_nltk_is_read(folder, tmp_path):
    archive = tmp_path / "wordnet.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for part in folder.iterdir():
            file.write(part, f"wordnet/{part.name}")
    assert WordNet(archive).find("bird") == 3100


def test_the_matrix(folder, monkeypatch):
    monkeypatch.setenv("WNSEARCHDIR", str(folder))
    matrix = kerastl.similarity_matrix(
        "path",
        target_classes=["bird", "crane"],
        source_classes=["n00003210", "machine", "bird"],
    )
    np.testing.assert_allclose(
        matrix, [[1 / 4, 1 / 4, 1], [1 / 6, 1 / 2, 1 / 5]]
    )


def test_no_dictionary(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="apt-get install wordnet-base"):
        WordNet(tmp_path)


def test_the_real_dictionary():
    """Figures that NLTK 3.10 gives for WordNet 3.0."""
    try:
        wordnet = WordNet()
    except FileNotFoundError:
        pytest.skip("needs the dictionary: apt-get install wordnet-base")
    dress, tench = wordnet.find("dress"), wordnet.find("n01440764")
    assert dress == 3236735
    assert wordnet.path(dress, tench) == pytest.approx(0.05263157894736842)
    assert wordnet.wu_palmer(dress, tench) == pytest.approx(0.3076923076923077)
    assert wordnet.leacock_chodorow(dress, tench) == pytest.approx(
        0.6931471805599453
    )
    # A T-shirt is listed as one word, with a hyphen, or with an underscore.
    assert {wordnet.find(n) for n in ("t-shirt", "T shirt", "tee shirt")} == {
        3595614
    }
    for digit in "0123456789":
        assert wordnet.knows(digit)
