#!/usr/bin/env bash
# SQLite 3.54.1 (apsw 3.54.1.0): PRAGMA auto_vacuum = INCREMENTAL on a database that is incremental already writes its first page, each time.
#
# Guess: beside journal_mode and page_size it belongs into the lines that every connection runs at its opening: it is ignored once there
# are tables, or a no-op where the mode is the same. Seen: a write transaction each time. The write-ahead file grows by a frame, a second
# process that only wants to read is told "database is locked" while another writes, and a database on a full disk cannot be opened.
# journal_mode = WAL, page_size and application_id's read do neither.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet apsw==3.54.1.0
"$work/env/bin/python" - "$work/one.db" <<'PY'
import os
import sys

import apsw

path = sys.argv[1]


def opened(pragma: str) -> apsw.Connection:
    connection = apsw.Connection(path)
    list(connection.execute(pragma))
    return connection


first = opened("PRAGMA auto_vacuum = INCREMENTAL")
list(first.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)"))
assert list(first.execute("PRAGMA auto_vacuum")) == [(2,)]
grown = {}
for pragma in ("PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL", "PRAGMA page_size = 4096"):
    before = os.path.getsize(f"{path}-wal")
    opened(pragma).close()
    grown[pragma] = os.path.getsize(f"{path}-wal") - before
first.execute("BEGIN IMMEDIATE")
try:
    opened("PRAGMA auto_vacuum = INCREMENTAL")
    answer = "opened"
except apsw.BusyError as error:
    answer = str(error)
print(apsw.sqlite_lib_version(), grown, "beside a writer:", answer)
assert grown == {"PRAGMA auto_vacuum = INCREMENTAL": 4120, "PRAGMA journal_mode = WAL": 0, "PRAGMA page_size = 4096": 0}
assert "locked" in answer
PY
