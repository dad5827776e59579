"""Finds photos that are there more than once."""

import numpy as np

from kerastl.apps.data.fingerprint import ALIKE
from kerastl.apps.data.fingerprint import BITS
from kerastl.apps.data.fingerprint import unit_picture

_ROWS = 512


def find_copies(facts):
    """Groups exact and near copies.

    Near copies are the same picture in another size, quality or format. What
    is cropped, turned or mirrored is not found.

    Args:
        facts: List of `PhotoFacts`.

    Returns:
        Lists of indices, two or more in each, in the order of `facts`.
    """
    hashes = np.array([each.hash for each in facts], "uint64")
    small = np.stack([unit_picture(each.small) for each in facts])
    groups = _Groups(len(facts))
    first = {}
    for index, each in enumerate(facts):
        groups.join(first.setdefault(each.digest, index), index)
    for start in range(0, len(facts), _ROWS):
        rows = hashes[start : start + _ROWS, None] ^ hashes[None, start:]
        near = np.argwhere(np.bitwise_count(rows) <= BITS) + start
        for one, other in near[near[:, 0] < near[:, 1]]:
            if small[one] @ small[other] >= ALIKE:
                groups.join(one, other)
    return groups.found()


class _Groups:
    def __init__(self, count):
        self._parents = list(range(count))

    def _root(self, index):
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def join(self, one, other):
        one, other = sorted((self._root(one), self._root(other)))
        self._parents[other] = one

    def found(self):
        members = {}
        for index in range(len(self._parents)):
            members.setdefault(self._root(index), []).append(index)
        return [group for group in members.values() if len(group) > 1]
