"""docs/edges.md names a test for each case, and each of them exists."""

import re

import pytest

from tests.places import ROOT, TESTS

NAMED = re.findall(r"\| ([\w/]+\.py)::(\w+) \|", (ROOT / "docs/edges.md").read_text())


def test_each_row_names_a_test() -> None:
    rows = [line for line in (ROOT / "docs/edges.md").read_text().splitlines() if line.startswith("| ")]
    assert len(NAMED) == len([row for row in rows if not row.startswith("| input ")])


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_of_a_case_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (TESTS / file).read_text()
