"""The dashboards by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from streamgauge.dashboards.grafana.boards import alerts, job, overview, pipeline, samples, system, training
from streamgauge.dashboards.grafana.links import uid
from streamgauge.dashboards.grafana.rendering import Board, rendered, text_of
from streamgauge.dashboards.grafana.variables import PAGE

BOARDS: Final[dict[str, Callable[[], Board]]] = {
    "overview": overview.board,
    "job": job.board,
    "samples": samples.board,
    "training": training.board,
    "system": system.board,
    "alerts": alerts.board,
    "pipeline": pipeline.board,
}


def dashboards(page_url: str = PAGE) -> dict[str, dict[str, Any]]:
    """Grafana's JSON of every dashboard by its uid."""
    return {uid(name): rendered(board(), page_url) for name, board in BOARDS.items()}


def write(folder: Path, page_url: str = PAGE) -> list[Path]:
    """Write a JSON file for each dashboard; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for identity, body in dashboards(page_url).items():
        path = folder / f"{identity}.json"
        path.write_text(text_of(body), encoding="utf-8")
        made.append(path)
    return made
