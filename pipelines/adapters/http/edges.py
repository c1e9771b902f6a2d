"""The edges that a job's own anomalies suggest, over HTTP, and what people said of them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from streamgauge.anomaly.types import Topology
from streamgauge.pipelines.adapters.http import keys
from streamgauge.pipelines.adapters.http.json import answer
from streamgauge.pipelines.adapters.http.routes import job_of
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.paging import causes, confirmations, learnt_edges
from streamgauge.pipelines.paging.confirmations import Word
from streamgauge.pipelines.paging.learnt_edges import Learnt
from streamgauge.pipelines.ports import Query


def add(app: web.Application) -> None:
    """Add the route that reads; `actions` has the one that acts."""
    app.router.add_get("/api/jobs/{job}/edges", edges)


async def edges(request: web.Request) -> web.StreamResponse:
    """Edges that the last weeks suggest, with their evidence, and people's last word on others."""
    learnt, said = await _known(request, job_of(request))
    shown: list[dict[str, Any]] = [one._asdict() | {"share": one.share, "text": one.text} for one in learnt]
    return answer({"learnt": shown, "said": [one._asdict() for one in said]})


async def evidence(request: web.Request, job: JobConfig, edge: tuple[str, str]) -> tuple[str, float]:
    """What speaks for an edge now and its delay, or else what spoke for it when it was last judged."""
    learnt, said = await _known(request, job.name)
    text, delay = learnt_edges.evidence(learnt, edge, job.paging.hop_delay)
    return text or next((one.text for one in said if (one.cause, one.effect) == edge), ""), delay


async def _known(request: web.Request, job: str) -> tuple[list[Learnt], list[Word]]:
    sources = request.app[keys.SOURCES]
    now = sources.now()

    def asked(query: Query) -> tuple[list[Learnt], list[Word]]:
        said = confirmations.words(query.changes(job, 0.0, now + 1.0))
        known = Topology(job=job, revision=0, edges=tuple(sources.topology(job)["edges"]))
        return causes.suggested(query, known, now, said), said

    return await request.app[keys.READERS].query(asked)
