"""How near the meanings of two nouns are in WordNet."""

import contextlib
import functools
import io
import os
import pathlib
import re
import warnings
import zipfile

_DEBIAN = ("/usr/share/wordnet", "/usr/local/share/wordnet")
# NLTK reads all parts of speech, whichever one is asked for.
_FILES = tuple(
    pattern.format(part)
    for part in ("noun", "verb", "adj", "adv")
    for pattern in ("index.{}", "data.{}", "{}.exc")
)
_ZIPPED = "wordnet/"
_SYNSET_ID = re.compile(r"n(\d{8})$")


class WordNet:
    """The nouns of a WordNet dictionary and the tree of their meanings.

    Needs NLTK, which reads the dictionary: `pip install nltk`, or kerastl's
    extra `semantic`. And the dictionary: `apt-get install wordnet-base`, or
    `python -m nltk.downloader wordnet`.

    Args:
        folder: folder of the dictionary, with `index.noun`, `data.noun`,
            `noun.exc` and those of the other parts of speech, or NLTK's
            `wordnet.zip`. `None` looks where `WNSEARCHDIR` says, then in
            Debian's folder and in those of NLTK.

    Raises:
        FileNotFoundError: if there is no dictionary; the message says how to
            install one.
        ImportError: if NLTK is not installed.

    Example:

    ```python
    wordnet = WordNet()
    wordnet.wu_palmer(wordnet.find("n01440764"), wordnet.find("goldfish"))
    ```

    Reference:
        Fellbaum, "WordNet: An Electronic Lexical Database", MIT Press 1998.
    """

    def __init__(self, folder=None):
        self._reader = _load(_find_place(folder))
        self._steps = functools.cache(self._measure_steps)
        self._depths = functools.cache(self._measure_depths)

    def find(self, name):
        """The synset that a class name stands for, as its offset.

        Args:
            name: WordNet id, such as `"n01440764"`, or a noun, also in the
                plural, whose most frequent meaning is taken. Of several names
                with commas the first that is found counts.

        Raises:
            ValueError: if WordNet does not know the name.
        """
        found = self._look_up(str(name))
        if found is not None:
            return found
        raise ValueError(
            "WordNet does not know this class. Give a noun that it has, or "
            "the WordNet id of its meaning, such as 'n03595614' for a "
            f"T-shirt. Received: class {str(name)!r}"
        )

    def knows(self, name):
        """Whether `find` finds that class name."""
        return self._look_up(str(name)) is not None

    def path(self, one, other):
        """`1 / (1 + d)` with the steps `d` between two synsets."""
        return self._synset(one).path_similarity(self._synset(other))

    def leacock_chodorow(self, one, other):
        """`-log((1 + d) / (2 D))` with the depth `D` of all nouns.

        The first call takes some seconds: it reads every noun for `D`.
        """
        return self._synset(one).lch_similarity(self._synset(other))

    def wu_palmer(self, one, other):
        """`2 c / (a + b)` with the depths of two synsets and what they share.

        Depths count from 1 at the root. `c` is the depth of the lowest common
        ancestor, `a` and `b` are the depths by way of it. Of several that are
        as low the one counts that makes the two most similar.
        """
        above, over = self._steps(one), self._steps(other)

        # NLTK's own takes the first of several by name, and goes to it by the
        # shortest way, even if that leads past it and down again.
        def rank(ancestor):
            shallowest, deepest = self._depths(ancestor)
            total = 2 * deepest + above[ancestor] + over[ancestor]
            return shallowest, 2.0 * deepest / total

        return max(map(rank, above.keys() & over.keys()))[1]

    def _look_up(self, name):
        match = _SYNSET_ID.match(name)
        if match:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "No WordNet synset found")
                synset = self._synset(int(match[1]))
            if synset is not None:
                return synset.offset()
        for part in name.split(","):
            for lemma in _spellings(part):
                synsets = self._reader.synsets(lemma, pos="n")
                if synsets:
                    return synsets[0].offset()
        return None

    def _synset(self, offset):
        return self._reader.synset_from_pos_and_offset("n", offset)

    def _measure_steps(self, offset):
        """Steps from a synset up to each of its ancestors, itself included."""
        steps = {}
        for ancestor, count in self._synset(offset).hypernym_distances():
            steps[ancestor] = min(count, steps.get(ancestor, count))
        return steps

    def _measure_depths(self, synset):
        return synset.min_depth() + 1, synset.max_depth() + 1


def _spellings(name):
    """The forms under which WordNet may list a name."""
    lemma = "_".join(name.split())
    return (
        lemma,
        lemma.replace("-", "_"),
        lemma.replace("_", "-"),
        lemma.replace("_", "").replace("-", ""),
    )


def _find_place(folder):
    nltk = _import_nltk()
    usual = (
        os.environ.get("WNSEARCHDIR"),
        *_DEBIAN,
        *(
            pathlib.Path(str(root), "corpora", name)
            for root in nltk.data.path
            for name in ("wordnet", "wordnet.zip")
        ),
    )
    for place in filter(None, [folder] if folder else usual):
        place = pathlib.Path(place).expanduser().absolute()
        if _has_dictionary(place):
            return place
    raise FileNotFoundError(
        "The WordNet dictionary is not installed. Get it with `apt-get "
        "install wordnet-base` or `python -m nltk.downloader wordnet`, or "
        f"pass a folder with all of its files: {', '.join(_FILES)}. "
        f"Received: dictionary={folder!r}"
    )


def _has_dictionary(place):
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            names = archive.namelist()
        return {_ZIPPED + name for name in _FILES}.issubset(names)
    return all((place / name).is_file() for name in _FILES)


@functools.lru_cache(maxsize=2)
def _load(place):
    nltk = _import_nltk()
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        """Reads what Debian's dictionary has: no lexnames, no index.sense."""

        # NLTK reads the version from the file for each pair that is compared.
        get_version = functools.cache(WordNetCorpusReader.get_version)

        def open(self, file):
            if file == "lexnames":
                # The names of the files that WordNet was made from, of which
                # a synset has the number, two digits. No name is asked for.
                return io.StringIO(
                    "".join(f"{i} unnamed 0\n" for i in range(100))
                )
            with _allowed(place):
                return super().open(file)

        def map_wn(self, version="wordnet"):
            # By index.sense, and for dictionaries of other languages only.
            return None

    with _allowed(place), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The multilingual functions")
        if place.is_dir():
            root = nltk.data.FileSystemPathPointer(str(place))
        else:
            root = nltk.data.ZipFilePathPointer(str(place), _ZIPPED)
        return Reader(root, omw_reader=None)


@contextlib.contextmanager
def _allowed(place):
    """Lets NLTK open the dictionary: it opens nothing outside of its path."""
    nltk = _import_nltk()
    nltk.data.path.append(str(place))
    try:
        yield
    finally:
        nltk.data.path.remove(str(place))


def _import_nltk():
    try:
        import nltk.data
    except ImportError as error:
        raise ImportError(
            "The similarity of words needs NLTK, which reads WordNet: "
            "`pip install nltk`"
        ) from error
    return nltk
