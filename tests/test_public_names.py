"""No public name, argument or default changes without its index."""

import difflib

from .public_names import INDEX
from .public_names import public_index


def test_the_index_says_what_the_code_says():
    changes = difflib.unified_diff(
        INDEX.read_text(encoding="utf-8").splitlines(),
        public_index().splitlines(),
        "committed",
        "as the code is",
        n=0,
        lineterm="",
    )
    assert list(changes) == [], "run `python -m tests.public_names`"
