"""The operator's state as bytes: small when idle, refused when unknown, and every version for ever."""

from __future__ import annotations

import pathlib
from random import Random

import msgspec
import pytest

from streamgauge.pipelines.config.schema import JobConfig, WindowSpec
from streamgauge.pipelines.wire import outputs, states
from tests.pipelines.stream.logs import Echo, chaos, operator, run, without_configuration

GOLDEN = pathlib.Path(__file__).parent / "golden"
VERSION = states.written("operator")
CONFIG = JobConfig(
    name="j", pane=10.0, allowed_lateness=5.0, max_hold=200.0,
    windows=(
        WindowSpec(name="short", kind="short", length=30.0, slide=30.0),
        WindowSpec(name="long", kind="long", length=90.0, slide=30.0),
        WindowSpec(name="wall", kind="wall", length=20.0, slide=20.0),
    ),
)  # fmt: skip


def golden_log() -> list[bytes]:
    return chaos(Random(7), panes=30, leaps=(30,))


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_state_of_every_version_is_restored_and_continues_to_the_byte(version: int) -> None:
    log = msgspec.msgpack.decode((GOLDEN / f"log-{version}.msgpack").read_bytes(), type=list[bytes])
    half = len(log) // 2
    restored = operator(CONFIG)
    restored.restore((GOLDEN / f"state-{version}.msgpack").read_bytes())
    expected = msgspec.msgpack.decode((GOLDEN / f"outputs-{version}.msgpack").read_bytes(), type=list[bytes])
    said = [output.value for output in restored.on_records(log[half:])]
    assert list(map(_unframed, said)) == list(map(_unframed, expected))
    assert expected


def test_the_golden_state_is_what_this_version_writes() -> None:
    log = msgspec.msgpack.decode((GOLDEN / f"log-{VERSION}.msgpack").read_bytes(), type=list[bytes])
    current = operator(CONFIG)
    current.on_records(log[: len(log) // 2])
    written = (GOLDEN / f"state-{VERSION}.msgpack").read_bytes()
    assert without_configuration(current.snapshot()) == without_configuration(written)


def test_a_restored_state_gives_the_same_snapshot() -> None:
    current = operator(CONFIG)
    current.on_records(golden_log())
    restored = operator(CONFIG)
    restored.restore(current.snapshot())
    assert restored.snapshot() == current.snapshot()
    assert restored.clock == current.clock


def test_an_operator_that_saw_nothing_is_small() -> None:
    assert len(operator(CONFIG).snapshot()) < 1_500


def test_an_unknown_version_is_refused_with_both_numbers() -> None:
    data = bytearray(operator(CONFIG).snapshot())
    data[data.index(VERSION)] = 99
    text = f"operator has version 99, this release reads versions 1 to {VERSION};"
    with pytest.raises(states.StateVersionError, match=text):
        operator(CONFIG).restore(bytes(data))


def _unframed(value: bytes) -> tuple[str, bytes]:
    """A record without its checksum, which those of older releases have not."""
    kind, record = outputs.opened(value)
    return kind, bytes(record)


def write() -> None:
    """Write the golden files of this version; only for a new one."""
    GOLDEN.mkdir(exist_ok=True)
    log = golden_log()
    half = len(log) // 2
    current = operator(CONFIG)
    current.on_records(log[:half])
    (GOLDEN / f"log-{VERSION}.msgpack").write_bytes(msgspec.msgpack.encode(log))
    (GOLDEN / f"state-{VERSION}.msgpack").write_bytes(current.snapshot())
    sent = [output.value for output in current.on_records(log[half:])]
    (GOLDEN / f"outputs-{VERSION}.msgpack").write_bytes(msgspec.msgpack.encode(sent))
    assert run(CONFIG, log)
    assert Echo().chain == ""
