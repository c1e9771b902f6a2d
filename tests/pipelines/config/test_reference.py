"""The reference of the configuration: every key of every table, what it does, and an example that is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.config.reference import EXAMPLES, Table, meanings, reference, tables

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "python -m streamgauge.pipelines.config.reference > docs/configuration.md"


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.name or "top")
def test_every_key_says_what_it_changes(table: Table) -> None:
    known = meanings(table.kind.cls)
    silent = [field.name for field in table.kind.fields if field.name not in known and field.name != "version"]
    assert not silent, "write what it changes beside it in pipelines/config/schema.py"


def test_what_is_many_is_named_in_plain_words_with_its_default() -> None:
    rows = {line.split("`")[1]: line for line in reference().splitlines() if line.startswith("| `")}
    assert "| array of seconds | `[300.0, 900.0, 1800.0]` |" in rows["remind"]
    assert '| array of `"page"`, `"page-now"`, `"ticket"` | `["page", "page-now"]` |' in rows["severities"]
    assert "| array of tables | - |" in rows["holidays"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_sound(name: str) -> None:
    parse(EXAMPLES[name])


def test_every_table_has_an_example_and_no_example_is_of_nothing() -> None:
    assert {table.kind.cls.__name__ for table in tables()} == set(EXAMPLES)
