"""Benchmarks say what they measure, and their rows all mean the same."""

from __future__ import annotations

import importlib.util
import json

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.rows import Row, cheaper


def test_each_says_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(benchmarks.NAMES)
    assert all(len(line.split()) > 5 for line in lines)


def test_each_is_there() -> None:
    assert all(importlib.util.find_spec(f"benchmarks.{name}") for name in benchmarks.NAMES)


def test_a_row_carries_the_load_of_its_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = cheaper("bridge", 2.0, "us", 4.0, "json.loads")
    assert _printed(row, monkeypatch, capsys) == row | {"load": 1.5}


def test_a_row_of_another_make_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"make it with benchmarks\.rows"):
        _printed({"name": "bridge", "value": 1.0, "ratio": 2.0}, monkeypatch, capsys)


def _printed(row: Row, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Row:
    module = type("Module", (), {"run": staticmethod(lambda args: [row])})
    monkeypatch.setattr(benchmarks.importlib, "import_module", lambda name: module)
    monkeypatch.setattr(benchmarks.cpu, "load", lambda: 1.5)
    benchmarks.main(["bridge", "--json"])
    printed: Row = json.loads(capsys.readouterr().out)
    return printed
