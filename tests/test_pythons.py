"""The tracer's wheel runs in trainers' environments: from Python 3.9 on, by its syntax and by what it calls."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.places import ROOT

OLDEST = "3.9"
FILES = sorted(path for path in (ROOT / "tracer").rglob("*.py") if path.name != "hatch_build.py")
BUILT_IN = {"str", "int", "float", "bytes", "list", "tuple", "dict", "set", "bool", "None"}


def test_vermin_finds_nothing_that_the_oldest_python_lacks() -> None:
    pytest.importorskip("vermin", reason="vermin is not installed (dependency group `dev`)")
    run = "import sys, vermin; sys.argv[0] = 'vermin'; vermin.main()"
    options = ["--no-eval-annotations", "--no-tips", "--violations", f"-t={OLDEST}-"]
    allowed = ["--exclude", "tomllib", *(x for name in LATER for x in ("--exclude", name))]
    command = [sys.executable, "-c", run, *options, *allowed, *map(str, FILES), str(ROOT / "streamgauge/__init__.py")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


LATER = ("typing.Self", "typing.ParamSpec", "typing.Concatenate")  # for type checkers only


def test_what_is_excluded_is_imported_for_type_checkers_only() -> None:
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module == "typing":
                assert not {f"typing.{alias.name}" for alias in node.names} & set(LATER), path


def test_unions_are_written_out_where_they_run() -> None:
    found = [f"{path}:{line}" for path in FILES for line in unions(path.read_text())]
    assert found == []
    assert list(unions("A = B | C\nisinstance(x, int | str)\ny: int | None = 1\nz = 1 | f(2)")) == [1, 2]


def unions(source: str) -> Iterator[int]:
    """Lines with a union of classes that is no annotation: annotations are not evaluated."""
    tree = ast.parse(source)
    notes = [getattr(node, name, None) for node in ast.walk(tree) for name in ("annotation", "returns")]
    skipped = {id(inner) for note in notes if note is not None for inner in ast.walk(note)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and id(node) not in skipped:
            sides = [side.id if isinstance(side, ast.Name) else "" for side in (node.left, node.right)]
            if all(name in BUILT_IN or re.match(r"[A-Z]\w*[a-z]|[A-Z]$", name) for name in sides):
                yield node.lineno


def test_the_wheel_says_so() -> None:
    project = tomllib.loads((ROOT / "tracer" / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={OLDEST}"
    assert f'target-version = "py{OLDEST.replace(".", "")}"' in (ROOT / "tracer" / "ruff.toml").read_text()
