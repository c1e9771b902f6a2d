"""Whether a worker may take a plan at all: signed with its job's key, made for its graph, not from the future; pure.

Where `STREAMGAUGE_PLAN_KEY` is set at a worker it takes signed plans only; the command line and `run` sign with the
key of their own environment. A signature is the HMAC-SHA256 of the plan's JSON without it. It does not replace the
broker's access lists: who may write the control topic can still remove a plan, or put an older signed one back.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from streamgauge.tracer.control import Plan
from streamgauge.tracer.selection import Entry

KEY: Final = "STREAMGAUGE_PLAN_KEY"
AHEAD: Final = 3600.0  # seconds that the clock of who asks may be ahead of the worker's


def key_in(environment: Mapping[str, str]) -> bytes:
    """The key that plans are signed with, b"" for none."""
    return environment.get(KEY, "").strip().encode()


def signed(made: Plan, key: bytes) -> Plan:
    """The plan with its signature; without a key as it is."""
    return msgspec.structs.replace(made, signature=_signature(made, key)) if key else made


def graph_of(entries: Iterable[Entry]) -> str:
    """What tells a model's graph from another one: names, shapes and types of its weights; "" without any.

    >>> graph_of([Entry(name="a", collection="weights", shape=(2,))]) == graph_of([])
    False
    """
    weights = sorted((one.name, one.shape, one.dtype) for one in entries if one.collection == "weights")
    return hashlib.blake2b(msgspec.json.encode(weights), digest_size=8).hexdigest() if weights else ""


def fault_of_origin(made: Plan, key: bytes, graph: str, now: float | None) -> str:
    """Why a plan must not be taken from where it comes, or "".

    Args:
        made: the plan.
        key: the worker's, b"" where it takes unsigned plans.
        graph: of the worker's model.
        now: by the worker's own clock; None where it has none of its own.
    """
    if key and not hmac.compare_digest(made.signature.encode(), _signature(made, key).encode()):
        what = "its signature is of another key or text" if made.signature else "it is not signed"
        return f"unauthorised: {what}; whoever sends plans needs the worker's {KEY}"
    if made.graph and made.graph != graph:
        return f"another_graph: made for the graph {made.graph[:16]}, this worker's is {graph or 'not known'}"
    if now is not None and made.issued > now + AHEAD:
        return f"from_the_future: issued {made.issued - now:.0f} s ahead of this worker's clock; set one of the two"
    return ""


def _signature(made: Plan, key: bytes) -> str:
    text = msgspec.json.encode(msgspec.structs.replace(made, signature=""))
    return hmac.new(key, text, hashlib.sha256).hexdigest()
