"""The notebook runs from its first cell to its last against a real service, and draws what it says.

Its cells are run by a few lines here: a kernel and its client are 25 packages, and would test Jupyter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.run import Service
from tests.dashboards import world
from tests.places import ROOT

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: make test installs it")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A recorded week of a sick job, served."""
    config = world.config(tmp_path)
    world.fill(stores.store_path(config))
    service = Service(config, assembly.parts_of(config)._replace(now=lambda: world.NOW))
    yield service.start(Guard("127.0.0.1"))
    service.stop()


def cells(kind: str) -> list[str]:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def test_every_cell_runs_and_three_charts_are_drawn(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "STREAMGAUGE", address)
    monkeypatch.setitem(os.environ, "JOB", world.SICK)
    pyplot.switch_backend("Agg")
    names: dict[str, Any] = {}
    for place, text in enumerate(cells("code")):
        exec(compile(text, f"{NOTEBOOK.name}[{place}]", "exec"), names)
    try:
        assert len(names["scores"]) == world.HOURS
        assert names["incidents"]["id"].tolist()
        assert len(names["points"]) > 100
        assert names["now"]["now"].sum() > 0
        drawn = [pyplot.figure(number).axes[0] for number in pyplot.get_fignums()]
        assert len(drawn) == 3
        assert all(axis.lines or axis.patches for axis in drawn)
    finally:
        pyplot.close("all")


def test_it_is_kept_with_its_pictures() -> None:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    pictures = [out for cell in found for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]
    assert len(pictures) == 3
