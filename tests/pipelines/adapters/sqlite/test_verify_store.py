"""A store is verified row by row: no flipped bit changes unseen what it says, what is damaged can be taken out."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.schema import TABLES
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.adapters.sqlite.verify_store import drop_damaged, walk_store
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.ports import Stored
from tests.pipelines.adapters.sqlite.records import columns, score
from tests.pipelines.adapters.sqlite.test_store import EVERYTHING, T

OLD = Path(__file__).parent / "golden" / "store-1.sql"  # EVERYTHING, as it was written before rows had checksums


_DENSE = {"step": 5.0, "window": "dense", "keys": [("", "train", "", "loss")]}
WRITTEN: tuple[Stored, ...] = (*EVERYTHING, columns(T + 5, [-0.0], **_DENSE), columns(T + 10, [1.0], **_DENSE))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a row in every table."""
    path = tmp_path / "store.db"
    write(path)
    return path


def write(path: Path) -> None:
    writer = SqliteStore(path)
    writer.write(WRITTEN)
    writer.close()


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


def said(path: Path) -> list[list[object]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        return [
            connection.execute(f"SELECT {', '.join(table.columns)} FROM {name}").fetchall()
            for name, table in TABLES.items()
        ]


def test_a_sound_store_has_no_findings_and_every_row_a_checksum_but_of_buckets_that_are_not_full(store: Path) -> None:
    walked = walk_store(store)
    assert not walked.findings
    assert {name: walked.counts[name] > 0 for name in TABLES} == dict.fromkeys(TABLES, True)
    with closing(sqlite3.connect(store)) as connection:
        bare = {name: connection.execute(f"SELECT sum(crc IS NULL) FROM {name}").fetchone()[0] for name in TABLES}
    assert {name: count for name, count in bare.items() if count} == {"r60": 1, "r3600": 3}
    assert walked.counts["rows without a checksum"] == 4


def test_no_flipped_bit_changes_unseen_what_a_store_says(store: Path) -> None:
    sound, before, hit = store.read_bytes(), said(store), 0
    used = [at for at, byte in enumerate(sound) if byte]  # where rows are, most of all
    for at in random.Random(7).sample(used, 120):
        flipped = bytearray(sound)
        flipped[at] ^= 1 << at % 8
        store.write_bytes(flipped)
        if walk_store(store).findings:
            hit += 1
        else:
            assert said(store) == before, at
    assert hit > 60


@pytest.mark.parametrize("table", TABLES)
def test_every_changed_value_of_every_table_is_found_and_goes(table: str, store: Path) -> None:
    kinds = TABLES[table].columns
    for column in kinds:
        flip = {"TEXT": "'flipped'", "BLOB": "x'00'", "INTEGER": "777", "REAL": "7.5"}[kinds[column]]
        key = ", ".join(TABLES[table].identity)
        change(store, f"UPDATE {table} SET {column} = {flip} WHERE ({key}) = (SELECT {key} FROM {table} LIMIT 1)")
        findings = walk_store(store).findings
        assert findings, column
        assert all(found.where.startswith((table, "points", "r")) and "--drop" in found.remedy for found in findings)
        assert drop_damaged(store)
        assert walk_store(store).findings == [], column
        write(store)  # what was taken out may be written again


def test_a_damaged_score_is_named_with_what_to_do_and_taken_out(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "streamgauge.toml"
    config.write_text(f'data = "{tmp_path}"\n[[jobs]]\nname = "ctr"\n')
    change(store, "UPDATE scores SET micropoints = micropoints + 64 WHERE domain = 'sample'")
    assert main(["verify", "--config", str(config)]) == 1
    assert f"scores of job ctr, domain sample, ts {T}: its checksum does not match" in capsys.readouterr().out
    assert main(["verify", "--config", str(config), "--drop"]) == 0
    assert "1 damaged rows are gone" in capsys.readouterr().out
    assert main(["verify", "--config", str(config)]) == 0
    assert [one["domain"] for one in SqliteQuery(store).scores("ctr", T - 60, T + 60)] == ["overall"]


def test_text_that_is_no_text_any_more_is_a_finding_and_goes(store: Path) -> None:
    change(store, "UPDATE changes SET name = CAST(x'ff41' AS TEXT)")
    assert len(walk_store(store).findings) == 1
    assert drop_damaged(store) == 1
    assert walk_store(store).findings == []


def test_a_damaged_index_is_found_and_made_anew(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, '(job, start)', '(job, \"end\")')"
                           " WHERE name = 'anomalies_by_start'")  # fmt: skip
        connection.commit()
    (found,) = walk_store(store).findings
    assert "anomalies_by_start" in found.what and "--drop" in found.remedy
    drop_damaged(store)
    assert walk_store(store).findings == []


def test_points_of_no_series_are_found(store: Path) -> None:
    change(store, "DELETE FROM series WHERE metric = 'auc'")
    assert {found.where for found in walk_store(store).findings} == {"points", "r3600"}
    assert drop_damaged(store) == 4


def test_a_store_from_before_checksums_is_read_as_it_is_and_gets_them_for_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text())
    walked = walk_store(path)
    assert walked.findings == [] and walked.counts["rows without a checksum"] == 22
    before = canonical_dump(path)
    SqliteStore(path).close()
    assert canonical_dump(path) == before
    store = SqliteStore(path)
    store.write(EVERYTHING)
    store.write([score(T + 60, 75)])
    store.close()
    walked = walk_store(path)
    assert walked.findings == [] and 0 < walked.counts["rows without a checksum"] < 22
    change(path, "UPDATE scores SET micropoints = 1 WHERE ts > ?", T)
    assert len(walk_store(path).findings) == 1
