"""Live change of what is traced, as it travels: plans, acknowledgements and the catalogue; pure.

Desired state lies on the compacted `control` topic under job/plan and needs no server: a worker that restarts reads it
again. A worker answers on `status` under job/worker and tells on `catalogue` what it could trace. All three are JSON;
a catalogue above 256 kB (some 2,500 tensors) is zlib-compressed, since brokers take 1 MB: `unpacked` gives its JSON.
How a worker obeys is in `streamgauge.tracer.plans`.

    PlanError   a record on the control topic that cannot be used
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal

import msgspec

from streamgauge.tracer.selection import Budget, Entry, Select, fault_of

VERSION: Final = 1
TTL: Final = 1800.0
MAX_TTL: Final = 86_400.0
MAX_BYTES: Final = 262_144
MAX_UNPACKED: Final = 64 * 1024 * 1024  # of JSON: some 600,000 entries

State = Literal[
    "applying", "applied", "rejected", "expired", "superseded", "not-targeted", "tripped", "suspect", "pending"
]


class PlanError(ValueError):
    """A record on the control topic that cannot be used; the message says why."""


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which workers a plan is for; empty means all. All conditions must hold."""

    workers: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    fraction: float = 1.0  # of the workers, chosen by the hash of worker and plan: always the same ones


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered state of what is traced."""

    version: int = VERSION
    job: str
    plan: str
    revision: int
    issued: float
    expires: float = TTL  # seconds from its receipt
    author: str = ""
    reason: str = ""
    target: Target = Target()
    select: tuple[Select, ...] = ()
    budget: Budget = Budget()
    off: bool = False
    min_step: int = 0  # the step of each worker at which it begins; 0: as soon as it can
    allow_stall: bool = False  # whether a step may wait for longer than 5 s while it is compiled anew
    graph: str = ""  # only for workers whose catalogue says this graph; "": for any
    signature: str = ""  # of all else, where workers ask for one


class PlanState(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of one revision of a plan."""

    plan: str
    revision: int
    state: State
    reason: str = ""
    matched: int = 0
    bytes_s: float = 0.0  # estimated cost
    until: float = 0.0  # by the worker's clock
    digest: str = ""  # of what the plan asks for
    settled: bool = False  # it has held for long enough that a death is none of its doing
    proven: bool = False  # it has held for 100 steps: the workers that wait for this one may follow


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself: the value under job/worker of the `status` topic."""

    version: int = VERSION
    job: str
    worker: str
    incarnation: str
    time: float
    step: int = 0
    state: Literal["running", "off", "tripped", "stopped"] = "running"
    plans: tuple[PlanState, ...] = ()
    counters: dict[str, int] = {}
    fault: str = ""  # the last one
    refused: dict[str, str] = {}  # why, by what: feature:NAME, argument:ids, tensor:NAME
    hints: tuple[str, ...] = ()  # what looks wrong with what the job hands over


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker can trace: the value under job/worker of the `catalogue` topic."""

    version: int = VERSION
    job: str
    worker: str
    incarnation: str
    entries: tuple[Entry, ...] = ()
    graph: str = ""  # what tells the model from another one: a plan may be bound to it


def plan(
    job: str, name: str, revision: int, *, issued: float, select: Sequence[Select] = (), target: Target | None = None,
    expires: float = TTL, budget: Budget | None = None, author: str = "", reason: str = "", off: bool = False,
    min_step: int = 0, allow_stall: bool = False, graph: str = "", sign: Callable[[Plan], Plan] = lambda made: made,
) -> bytes:
    """A plan as it stands on the `control` topic under `key_of(job, name)`.

    Raises PlanError if no worker would take it.

    >>> decode_plan(plan("ctr", "debug", 3, issued=0.0, select=[Select(collection="weights")])).revision
    3
    """
    made = Plan(
        job=job, plan=name, revision=revision, issued=issued, expires=expires, author=author, reason=reason,
        target=target or Target(), select=tuple(select), budget=budget or Budget(), off=off, min_step=min_step,
        allow_stall=allow_stall, graph=graph,
    )  # fmt: skip
    fault = fault_of_plan(made)
    if fault:
        raise PlanError(fault)
    return encode(sign(made))


# Made at the import: msgspec 0.22 crashes when two threads are the first to read the same class at once.
_plan = msgspec.json.Decoder(Plan)
_status = msgspec.json.Decoder(Status)
_catalogue = msgspec.json.Decoder(Catalogue)


def encode(value: Plan | Status | Catalogue) -> bytes:
    """JSON, compressed where a catalogue is large."""
    text = msgspec.json.encode(value)
    return zlib.compress(text) if isinstance(value, Catalogue) and len(text) > MAX_BYTES else text


def unpacked(data: bytes) -> bytes:
    """The JSON of a worker's report. Raises PlanError for what is packed and cannot be unpacked.

    >>> unpacked(zlib.compress(b'{"job": "ctr"}')) == unpacked(b'{"job": "ctr"}')
    True
    """
    if data[:1] != b"\x78":  # no JSON begins so, and all that zlib writes does
        return data
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, MAX_UNPACKED)
    except zlib.error as error:
        raise PlanError(f"no compressed report: {error}") from None
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise PlanError(f"no compressed report: it is cut, or has more than {MAX_UNPACKED} bytes")
    return text


def decode_plan(data: bytes) -> Plan:
    """A plan, not yet checked against anything. Raises PlanError."""
    if len(data) > MAX_BYTES:
        raise PlanError(f"a plan has {len(data)} bytes, at most {MAX_BYTES} are read")
    try:
        return _plan.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PlanError(f"no plan: {error}") from None


def decode_status(data: bytes) -> Status:
    """A worker's status. Raises PlanError."""
    try:
        return _status.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PlanError(f"no status: {error}") from None


def decode_catalogue(data: bytes) -> Catalogue:
    """A worker's catalogue. Raises PlanError."""
    try:
        return _catalogue.decode(unpacked(data))
    except (msgspec.DecodeError, RecursionError) as error:
        raise PlanError(f"no catalogue: {error}") from None


def digest_of(made: Plan) -> str:
    """The same for plans that ask for the same, whoever wrote them and when."""
    return hashlib.blake2b(msgspec.json.encode((made.select, made.target, made.off)), digest_size=8).hexdigest()


def key_of(job: str, name: str) -> str:
    """The key of a plan (job, plan), a status or a catalogue (job, worker).

    >>> key_of("ctr", "worker:3")
    'ctr/worker:3'
    """
    return f"{job}/{name}"


def next_revision(job: str, name: str, control: Mapping[str, bytes], status: Mapping[str, bytes]) -> int:
    """One above the highest revision of a plan that the topics know; what cannot be read is passed over."""
    seen = [0]
    with suppress(PlanError):
        seen.append(decode_plan(control.get(key_of(job, name), b"")).revision)
    for key, value in status.items():
        if key.startswith(f"{job}/"):
            with suppress(PlanError):
                seen += [state.revision for state in decode_status(value).plans if state.plan == name]
    return max(seen) + 1


def fault_of_plan(made: Plan) -> str:
    """Why no worker could take this plan, whatever it can trace; "" if one could."""
    if made.version != VERSION:
        return f"plan version {made.version}, this tracer knows {VERSION}"
    if not made.plan or "/" in made.plan:
        return f"a plan's name is not empty and has no '/', got {made.plan!r}"
    if made.revision < 1:
        return f"revision must be >= 1, got {made.revision}"
    if not 0.0 < made.expires <= MAX_TTL:
        return f"expires must be in (0, {MAX_TTL:.0f}] s, got {made.expires}"
    if not 0.0 <= made.target.fraction <= 1.0:
        return f"target.fraction must be in [0, 1], got {made.target.fraction}"
    if made.min_step < 0:
        return f"min_step must be >= 0, got {made.min_step}"
    if not made.select and not made.off:
        return "a plan selects something or is off"
    faults = ((i, fault_of(select)) for i, select in enumerate(made.select))
    return next((f"select[{i}]: {fault}" for i, fault in faults if fault), "")


def is_targeted(target: Target, plan_name: str, worker: str, roles: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Whether a plan is for this worker.

    >>> is_targeted(Target(workers=("LGA",)), "debug", "JFK", (), {})
    False
    """
    if target.workers and worker not in target.workers:
        return False
    if target.roles and not set(target.roles) & set(roles):
        return False
    if any(labels.get(name) != value for name, value in target.labels.items()):
        return False
    digest = hashlib.blake2b(f"{worker}\x1f{plan_name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < target.fraction * 2.0**64
