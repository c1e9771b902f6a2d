"""The house: one name to import, no two modules that import each other, rooms that a stranger finds."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import streamgauge
from streamgauge import pipelines
from tests.places import ROOT

ROOMS = ("tracer", "anomaly", "pipelines", "dashboards", "examples")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def modules() -> dict[str, Path]:
    """Every module of ours by its name."""
    files = {f"streamgauge.{room}": ROOT / room for room in ROOMS} | {"benchmarks": ROOT / "benchmarks"}
    return {
        ".".join((name, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): path
        for name, folder in files.items()
        for path in folder.rglob("*.py")
        if path.name != "hatch_build.py"
    }


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """What a file imports of ours, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """What is left when modules that import none of the rest are taken away, again and again: circles, their users."""
    left = {name: set(targets) for name, targets in graph.items()}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    return [sorted(left)] if left else []


def test_no_two_modules_import_each_other_by_any_way() -> None:
    known = modules()
    graph = {name: {one for one in imported(path, known) if one in known} - {name} for name, path in known.items()}
    assert sum(map(len, graph.values())) > 1_000
    assert circles(graph) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["a", "b", "c"]]


def test_few_files_lie_at_the_top_of_the_pipelines() -> None:
    assert len(list((ROOT / "pipelines").glob("*.py"))) < 12


def test_nothing_of_ours_is_imported_by_another_name() -> None:
    old = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(ROOMS)})\b", re.MULTILINE)
    files = [*modules().values(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    assert [str(path) for path in files if old.search(path.read_text())] == []


def test_the_public_names_are_there() -> None:
    assert [name for name in streamgauge.__all__ if name not in dir(streamgauge)] == []
    slow = {"KerasTracer", "TorchTracer", "TracerHook"}  # their frameworks take seconds to import, and have tests
    for name in set(streamgauge.__all__) - slow:
        home = getattr(streamgauge, name).__module__
        assert home.startswith(("streamgauge.tracer", "streamgauge.pipelines.client")), name
    with pytest.raises(AttributeError, match="'Trader'; it has Evaluation"):
        streamgauge.Trader  # noqa: B018


def test_the_import_costs_no_more_than_the_tracer() -> None:
    code = "import streamgauge, sys; streamgauge.Tracer; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("scipy", "aiohttp", "tensorflow", "keras", "pandas", "confluent_kafka", "sqlite3", "http.server")
    assert [name for name in heavy if name in loaded] == []
    of_ours = [name for name in loaded if name.startswith("streamgauge.pipelines.") or "anomaly" in name]
    assert of_ours == []


def test_all_versions_are_one() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tracer = tomllib.loads((ROOT / "tracer" / "pyproject.toml").read_text())["project"]
    assert whole["version"] == tracer["version"] == streamgauge.__version__ == pipelines.VERSION
    assert f"streamgauge-tracer=={whole['version']}" in whole["dependencies"]


def test_two_wheels_of_different_versions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamgauge, "__version__", "0.0.9")
    remedy = "pip install streamgauge==0.1.0 streamgauge-tracer==0.1.0"
    with pytest.raises(ImportError, match=remedy):
        importlib.reload(pipelines)
    monkeypatch.delitem(sys.modules, "streamgauge.pipelines")
    with pytest.warns(RuntimeWarning, match=remedy):
        streamgauge._check(str(ROOT / "streamgauge"))


def test_a_checkout_without_symbolic_links_is_told(tmp_path: Path) -> None:
    package = tmp_path / "streamgauge"
    package.mkdir()
    (package / "__init__.py").write_text((ROOT / "streamgauge" / "__init__.py").read_text())
    (package / "tracer").write_text("../tracer")
    done = subprocess.run([sys.executable, "-c", "import streamgauge"], cwd=tmp_path, capture_output=True, text=True)
    assert "git config core.symlinks true && git checkout -- streamgauge" in done.stderr


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    folders = "tracer|anomaly|pipelines|dashboards|examples|benchmarks|tests"
    named = set(re.findall(rf"`((?:{folders})/[\w/.]*)`", (ROOT / name).read_text()))
    assert sorted(one for one in named if not (ROOT / one).exists()) == []


def test_the_architecture_names_every_room() -> None:
    files = [path for path in modules().values() if path.is_relative_to(ROOT / "pipelines")]
    rooms = {f"{path.parent.relative_to(ROOT)}/" for path in files}
    assert sorted(room for room in rooms if f"`{room}" not in ARCHITECTURE) == []
