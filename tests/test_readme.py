"""What the README says is what is there."""

import re

from kerastl import export

from .method_table import method_table
from .readme_pages import PAGES
from .readme_pages import README
from .readme_pages import ROOT
from .readme_pages import rows


def test_links_lead_somewhere():
    links = [
        ROOT / name / link
        for name, text in PAGES.items()
        for link in re.findall(r"\]\(([^)#]+)\)", text)
    ]
    assert len(links) > 40
    assert [str(link) for link in links if not link.exists()] == []


def test_files_of_tests_that_are_named_are_there():
    named = set()
    for text in (README, (ROOT / ".ci/run").read_text()):
        named.update(re.findall(r"\btests/[\w/.]*\w", text))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_start_is_short_and_leads_to_every_room():
    start = PAGES[""]
    assert len(start.splitlines()) <= 160
    for name in list(PAGES)[1:]:
        assert f"]({name}/README.md)" in start


def test_method_table_is_the_table_of_recipes():
    assert method_table() in PAGES["kerastl"], (
        "run `python -m tests.method_table`"
    )


def test_every_scheme_is_explained():
    named = {
        name for row in rows("scheme") for name in re.findall("`(.+?)`", row[0])
    }
    assert named == {
        f"{format}:{scheme}"
        for format, schemes in export.SCHEMES.items()
        for scheme in schemes
    }
