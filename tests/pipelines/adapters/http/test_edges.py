"""Learnt edges over HTTP: proposed with their evidence, confirmed, withdrawn and rejected by people."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from streamgauge.anomaly.types import Anomaly
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.run import Service
from tests.waiting import until

CAUSE, EFFECT = "feature:a", "feature:b"
WHO: Final = "<script>alert(1)</script>"


class Running:
    """A real service over a store in which one place followed another six times."""

    def __init__(self, folder: Path) -> None:
        config = Config(data=str(folder), port=0, console=False, jobs=(JobConfig(name="ctr"),))
        store = SqliteStore(stores.store_path(config))
        store.write(_begun(time.time() - 86400.0))
        store.close()
        self.service = Service(config, assembly.parts_of(config))
        self.url = self.service.start(Guard("127.0.0.1"), None)

    def ask(self, route: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}api/jobs/ctr/{route}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30.0) as answer:
            return json.load(answer)

    def known(self) -> tuple[list[str], list[str], bool]:
        """The effects that are proposed, the words that were said, and whether the edge is in the topology."""
        found, edges = self.ask("edges"), self.ask("topology")["edges"]
        is_known = any((one["cause"], one["effect"]) == (CAUSE, EFFECT) for one in edges)
        return [one["effect"] for one in found["learnt"]], [one["verdict"] for one in found["said"]], is_known


def _begun(begin: float) -> list[Anomaly]:
    return [
        Anomaly(
            kind="anomaly", job="ctr", worker="", domain="sample", entity=entity, metric="psi", severity="ticket",
            start=begin + 3600.0 * i + lag, time=begin + 3600.0 * i + 60.0, number=2 * i + (lag > 0) + 1,
        )
        for i in range(6) for entity, lag in ((CAUSE, 0.0), (EFFECT, 40.0))
    ]  # fmt: skip


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    yield one
    one.service.stop()


def test_a_learnt_edge_is_judged_with_its_evidence_each_time_under_a_version_of_its_own(running: Running) -> None:
    (learnt,) = running.ask("edges")["learnt"]
    assert (learnt["cause"], learnt["effect"], learnt["together"], learnt["first"]) == (CAUSE, EFFECT, 6, 6)
    edge = {"cause": CAUSE, "effect": EFFECT, "author": WHO}
    revisions = [running.ask("topology")["revision"]]
    for verdict, shown in (
        ("confirm", ([], ["confirmed"], True)), ("withdraw", ([EFFECT], ["withdrawn"], False)),
        ("reject", ([], ["rejected"], False)),
    ):  # fmt: skip
        made = running.ask("edges", edge | {"verdict": verdict})
        assert made["delay"] == (0.0 if verdict == "withdraw" else 40.0)  # longer than the 30 s of a hop
        until(lambda shown=shown: running.known() == shown)  # type: ignore[misc]
        revisions.append(running.ask("topology")["revision"])
    assert revisions[0] < revisions[1] < revisions[2] == revisions[3]
    audit = [line for line in running.ask("audit") if line["about"] == f"{CAUSE} -> {EFFECT}"]
    assert [(line["who"], line["what"]) for line in audit] == [(WHO, did) for did in ("confirm", "withdraw", "reject")]
    assert all(line["text"] == learnt["text"] for line in audit)
