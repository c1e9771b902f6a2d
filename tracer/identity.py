"""Who this process is, from what its launcher put into the environment; pure.

The first that is set holds: STREAMGAUGE_WORKER, TF_CONFIG, HOROVOD_RANK, JOB_COMPLETION_INDEX (an indexed Kubernetes
job), the ordinal at the end of a StatefulSet's HOSTNAME. torchrun gives ranks anew at each restart, so RANK is a label
and the worker is the host with the process's place on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class Identity(NamedTuple):
    """A worker's name, its role ("chief", "worker", "ps", "evaluator"), and labels that plans can target."""

    worker: str
    role: str = "worker"
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed


def identity(environ: Mapping[str, str], host: str) -> Identity:
    """Who the process is; on `host` where nothing else tells.

    >>> identity({"TF_CONFIG": '{"task": {"type": "ps", "index": 1}}'}, "node7")
    Identity(worker='ps:1', role='ps', labels={})
    >>> identity({"RANK": "3", "LOCAL_RANK": "1"}, "node7")
    Identity(worker='node7:1', role='worker', labels={'rank': '3'})
    """
    labels = {"rank": environ["RANK"]} if environ.get("RANK") else {}
    found = _of_tensorflow(environ.get("TF_CONFIG", ""))
    rank = environ.get("HOROVOD_RANK")
    if not found and rank:
        found = Identity(f"worker:{rank}", "chief" if rank == "0" else "worker")
    ordinal = re.search(r"-(\d+)$", environ.get("HOSTNAME", "")) if environ.get("KUBERNETES_SERVICE_HOST") else None
    if not found and environ.get("JOB_COMPLETION_INDEX"):
        found = Identity(f"worker:{environ['JOB_COMPLETION_INDEX']}")
    elif not found and ordinal:
        found = Identity(f"worker:{ordinal[1]}")
    if not found:
        place = environ.get("LOCAL_RANK")
        found = Identity(f"{host}:{place}" if place else host, "chief" if environ.get("RANK") == "0" else "worker")
    return found._replace(worker=environ.get("STREAMGAUGE_WORKER") or found.worker, labels=labels)


def _of_tensorflow(config: str) -> Identity | None:
    """The task of a TF_CONFIG; one that cannot be read is as none."""
    try:
        read: dict[str, Any] = json.loads(config)
        kind, index = str(read["task"]["type"]), int(read["task"]["index"])
        has_chief = bool({"chief", "master"} & set(read.get("cluster", {})))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    is_chief = kind in ("chief", "master") or (kind == "worker" and index == 0 and not has_chief)
    return Identity(f"{kind}:{index}", "chief" if is_chief else kind)
