"""The README's first screen stays true: its tree, its commands, its links."""

import argparse
import re

import pytest

from streamgauge.pipelines.grammar import parser
from tests.places import ROOT

README = (ROOT / "README.md").read_text()


def test_the_tree_names_the_top_level_folders_and_no_others() -> None:
    block = README.split("## The tree")[1].split("```")[1]
    named = set(re.findall(r"^(\w+)/", block, re.MULTILINE))
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    built = {"__pycache__", "streamgauge-data", "build", "dist"} | {path.name for path in ROOT.glob("*.egg-info")}
    assert named == there - built


DOCS = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", DOCS)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    broken = [link for link in links if "://" not in link and not ((ROOT / name).parent / link).exists()]
    assert broken == []


def test_every_command_of_the_table_exists() -> None:
    grammar = parser()
    action = next(item for item in grammar._actions if isinstance(item, argparse._SubParsersAction))
    named = set(re.findall(r"`streamgauge (\w+)", README)) | {"silence", "feedback"}
    assert named <= set(action.choices)


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make (\w+)", README)) - {"and"} <= targets
