"""`streamgauge verify`: what is damaged in log, state or store is found, named with its place, and nothing else is."""

from __future__ import annotations

import json
import re
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.adapters.sqlite.verify import walk_log
from streamgauge.pipelines.adapters.sqlite.verify_store import walk_store
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.schema import Config, JobConfig
from streamgauge.pipelines.engines.embedded import Engine
from streamgauge.pipelines.engines.parts import operator_of
from streamgauge.tracer.local.log import LocalLog
from tests.pipelines.engines import test_kill


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a job's log, state and store."""
    config = Config(data=str(tmp_path), clock="log", jobs=(JobConfig(name="ctr", pane=10.0, tick=10.0),))
    log = LocalLog(tmp_path / "log.db")
    for number in range(30):
        log.send(test_kill.pane_of(number))
    engine = Engine(config, log, operator_of)
    while engine.step():
        pass
    engine.commit()
    log.close()
    SqliteStore(tmp_path / "store.db").close()
    jobs = "[jobs.ctr]\npane = 10\ntick = 10\n"
    (tmp_path / "streamgauge.toml").write_text(f'clock = "log"\ndata = "{tmp_path}"\n{jobs}')
    return tmp_path


def verify(folder: Path, *more: str) -> int:
    return main(["verify", "--config", str(folder / "streamgauge.toml"), *more])


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_a_sound_folder_is_sound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder) == 0
    said = capsys.readouterr().out
    assert "traces" in said and "rows of state" in said and said.endswith("all sound\n")
    assert verify(folder, "--json") == 0
    assert all(one["counts"] and not one["findings"] for one in json.loads(capsys.readouterr().out)[:1])


@pytest.mark.parametrize(("topic", "offset"), [("traces", 17), ("scores", 2)])
def test_a_flipped_bit_of_a_record_is_found_with_its_offset(
    folder: Path, capsys: pytest.CaptureFixture[str], topic: str, offset: int
) -> None:
    found = "SELECT m.id, value FROM messages m JOIN topics t ON m.id = (t.id << 40) + ? WHERE t.name = ?"
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        ((row, value),) = connection.execute(found, (offset, topic))
    flipped = bytearray(value)
    flipped[len(flipped) // 2] ^= 4
    change(folder, "UPDATE messages SET value = ? WHERE id = ?", bytes(flipped), row)
    assert verify(folder) == 1
    said = capsys.readouterr().out
    assert re.search(f"{topic}, offset {offset}: .*checksum", said) and said.endswith("1 damaged\n")


def test_a_flipped_bit_of_a_row_of_state_is_found_and_the_job_can_learn_anew(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "UPDATE rows SET value = CAST(substr(value, 1, 9) || x'00' AS BLOB) WHERE name = 'job'")
    assert verify(folder) == 1
    assert "state of engine, job ctr, row job: its checksum" in capsys.readouterr().out
    assert main(["replay", "--log", "x", "--config", str(folder / "streamgauge.toml")]) == 2
    assert verify(folder, "--forget", "ctr") == 0
    assert verify(folder) == 0
    assert verify(folder, "--forget", "ctr") == 2


def test_a_damaged_state_of_the_pager_is_named_and_can_be_forgotten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "UPDATE consumers SET name = 'pager' WHERE name = 'engine'")
    change(folder, "UPDATE rows SET consumer = 'pager'")
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        ((state,),) = connection.execute("SELECT state FROM consumers WHERE name = 'pager'").fetchall()
    version, keys, *rest = msgspec.msgpack.decode(state)
    change(folder, "UPDATE consumers SET state = ?", msgspec.msgpack.encode([version, {"": keys["ctr"]}, *rest]))
    change(folder, "UPDATE rows SET key = ''")
    assert verify(folder) == 0
    change(folder, "UPDATE rows SET value = CAST(substr(value, 1, 9) || x'00' AS BLOB) WHERE name = 'job'")
    capsys.readouterr()
    assert verify(folder) == 1
    said = capsys.readouterr().out
    assert "state of pager, row job: its checksum" in said and "verify --forget pager" in said
    assert verify(folder, "--forget", "pager") == 0
    assert verify(folder) == 0


PLACES = {
    "UPDATE messages SET key = 'ctq' WHERE id % 1024 = 3": "its key 'ctq' is not of its job 'ctr'",
    "UPDATE topics SET next = next - 16 WHERE name = 'traces'": "and has a message",
    "UPDATE offsets SET next = next + 4096 WHERE topic = 'traces'": "what comes is not read until then",
    "INSERT INTO latest VALUES (1, 'ctr/plan', 77)": "it is not there, or another's",
}


def test_a_place_that_cannot_be_is_found(folder: Path) -> None:
    sound = (folder / "log.db").read_bytes()
    for statement, told in PLACES.items():
        (folder / "log.db").write_bytes(sound)
        change(folder, statement)
        findings = walk_log(folder / "log.db").findings
        assert any(told in found.what for found in findings), statement


def test_a_lost_row_is_found(folder: Path) -> None:
    change(folder, "DELETE FROM rows WHERE name LIKE 'worker/%'")
    (finding,) = walk_log(folder / "log.db").findings
    assert "are not the" in finding.what


def test_a_disk_without_room_is_no_damage(folder: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        walked = walk_log(folder / "log.db"), walk_store(folder / "store.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [one.findings for one in walked] == [[], []]
    assert walked[0].counts["traces"] == 90


def test_damaged_pages_are_found(folder: Path) -> None:
    store = folder / "store.db"
    data = bytearray(store.read_bytes())
    data[4096 * 2 : 4096 * 2 + 64] = b"\xff" * 64
    store.write_bytes(data)
    assert walk_store(store).findings


def test_a_file_that_nobody_can_read_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    for walked in (walk_log(tmp_path / "store.db"), walk_store(tmp_path / "store.db")):
        assert [found.what.partition(":")[0] for found in walked.findings] == ["it cannot be read"]


def test_a_store_without_its_tables_is_a_finding_and_an_empty_file_is_none(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.db").close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("DROP TABLE scores")
    assert [found.what for found in walk_store(tmp_path / "store.db").findings] == ["it lacks tables: scores"]
    (tmp_path / "empty.db").touch()
    assert walk_store(tmp_path / "empty.db").findings == []
