"""How near the meanings of two nouns are in WordNet."""

import collections
import functools
import math
import os
import pathlib
import re
import sys
import zipfile

# Debian's package, and where NLTK's downloader puts it.
_PLACES = (
    "/usr/share/wordnet",
    "/usr/local/share/wordnet",
    *(
        f"{root}/corpora/wordnet{ending}"
        for root in (
            "~/nltk_data",
            "/usr/share/nltk_data",
            "/usr/local/share/nltk_data",
            f"{sys.prefix}/nltk_data",
        )
        for ending in ("", ".zip")
    ),
)
_SYNSET_ID = re.compile(r"n(\d{8})$")


class WordNet:
    """The nouns of a WordNet dictionary and the tree of their meanings.

    Reads the dictionary's own text files, so that nothing needs to be
    installed but them: `apt-get install wordnet-base`, or
    `python -m nltk.downloader wordnet`.

    Args:
        folder: folder (or NLTK's `wordnet.zip`) with `data.noun` and
            `index.noun`. `None` looks where `WNSEARCHDIR` says, and in the
            usual places of Debian and NLTK.

    Raises:
        FileNotFoundError: if there is no dictionary; the message says how to
            install one.

    Reference:
        Fellbaum, "WordNet: An Electronic Lexical Database", MIT Press 1998.
    """

    def __init__(self, folder=None):
        self._parents, self._senses = _load(_find_place(folder))
        self._distances = functools.cache(self._measure)

    def find(self, name):
        """The synset that a class name stands for, as its offset.

        Args:
            name: WordNet id, such as `"n01440764"`, or a noun, whose most
                frequent meaning is taken. Of several names with commas the
                first that is found counts.

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
        return 1.0 / (1.0 + self._steps(one, other))

    def leacock_chodorow(self, one, other):
        """`-log((1 + d) / (2 D))` with the depth `D` of all nouns."""
        steps = self._steps(one, other)
        return -math.log((1.0 + steps) / (2.0 * self._depth_of_all))

    def wu_palmer(self, one, other):
        """`2 c / (a + b)` with the depths of two synsets and what they share.

        Depths count from 1 at the root. `c` is the depth of the lowest common
        ancestor, `a` and `b` are the depths by way of it.
        """
        above, over = self._distances(one), self._distances(other)
        common = above.keys() & over.keys()
        lowest = max(self._shallowest(synset) for synset in common)
        best = 0.0
        for synset in common:
            if self._shallowest(synset) == lowest:
                depth = self._deepest(synset) + 1
                total = 2 * depth + above[synset] + over[synset]
                best = max(best, 2.0 * depth / total)
        return best

    def _look_up(self, name):
        match = _SYNSET_ID.match(name)
        if match and int(match[1]) in self._parents:
            return int(match[1])
        for part in name.split(","):
            for lemma in _spellings(part):
                if lemma in self._senses:
                    return self._senses[lemma][0]
        return None

    def _steps(self, one, other):
        above, over = self._distances(one), self._distances(other)
        return min(above[s] + over[s] for s in above.keys() & over.keys())

    def _measure(self, synset):
        """Steps from a synset to each of its ancestors, itself included."""
        found = {synset: 0}
        queue = collections.deque([synset])
        while queue:
            here = queue.popleft()
            for parent in self._parents[here]:
                if parent not in found:
                    found[parent] = found[here] + 1
                    queue.append(parent)
        return found

    def _shallowest(self, synset):
        # The root is the one noun without a parent.
        return self._distances(synset)[self._root]

    def _deepest(self, synset):
        parents = self._parents[synset]
        return 1 + max(map(self._deepest, parents)) if parents else 0

    @functools.cached_property
    def _root(self):
        (root,) = [s for s, parents in self._parents.items() if not parents]
        return root

    @functools.cached_property
    def _depth_of_all(self):
        depths = {}

        def depth(synset):
            if synset not in depths:
                parents = self._parents[synset]
                depths[synset] = 1 + max(map(depth, parents)) if parents else 0
            return depths[synset]

        return max(map(depth, self._parents))


def _read_synset(line):
    """The offset of a synset and those of the synsets above it."""
    fields = line.partition("|")[0].split()
    words = int(fields[3], 16)
    pointers = fields[5 + 2 * words :]
    parents = [
        int(offset)
        for symbol, offset, part in zip(
            pointers[::4], pointers[1::4], pointers[2::4], strict=False
        )
        # A kind of, and an instance of.
        if symbol in ("@", "@i") and part == "n"
    ]
    return int(fields[0]), parents


def _spellings(name):
    """The forms under which WordNet may list a name."""
    lemma = "_".join(name.strip().lower().split())
    yield lemma
    if "-" in lemma or "_" in lemma:
        yield lemma.replace("-", "_")
        yield lemma.replace("_", "-")
        yield lemma.replace("_", "").replace("-", "")
    for plural, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if lemma.endswith(plural):
            yield lemma[: -len(plural)] + singular


@functools.lru_cache(maxsize=2)
def _load(place):
    """The synsets above each synset, and the synsets of each word."""
    parents, senses = {}, {}
    for line in _read_lines(place, "data.noun"):
        offset, above = _read_synset(line)
        parents[offset] = above
    for line in _read_lines(place, "index.noun"):
        fields = line.split()
        count = int(fields[2])
        senses[fields[0]] = [int(field) for field in fields[-count:]]
    return parents, senses


def _read_lines(place, name):
    if place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            text = archive.read(f"wordnet/{name}").decode("utf-8")
    else:
        text = (place / name).read_text(encoding="utf-8")
    # The licence stands in front, in lines that start with blanks.
    return [line for line in text.splitlines() if not line.startswith(" ")]


def _find_place(folder):
    places = [folder] if folder else [os.environ.get("WNSEARCHDIR"), *_PLACES]
    for place in filter(None, places):
        place = pathlib.Path(place).expanduser()
        if (place / "data.noun").is_file():
            return place
        if place.suffix == ".zip" and place.is_file():
            return place
    raise FileNotFoundError(
        "The WordNet dictionary is not installed. Get it with `apt-get "
        "install wordnet-base`, or with `pip install nltk && python -m "
        "nltk.downloader wordnet`; or pass the folder of its data.noun. "
        f"Received: dictionary={folder!r}"
    )
