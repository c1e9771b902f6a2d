"""Two releases in turn on one folder: the newer one goes on, the older one refuses in words and changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.wire import states
from streamgauge.pipelines.wire.states import Form
from tests.pipelines.service.changing import Folder

WALL = '[[jobs]]\nname = "ctr"\n'


def written(path: Path) -> list[str]:
    """All that a log's file holds; its time may change, as whoever closes it last copies what waits beside it."""
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["pager", "verdicts", "job", "consumer"])
def test_going_back_is_refused_with_both_versions_and_going_forward_again_works(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file = Folder(tmp_path / "data"), tmp_path / "streamgauge.toml"
    folder.path.mkdir()
    file.write_text(WALL)
    now = states.written(kind)
    folder.run(folder.config(WALL), panes=9)
    with monkeypatch.context() as newer:
        forms = {**states.FORMS[kind].steps, now: lambda old: [now + 1, *old[1:]]}
        newer.setitem(states.FORMS, kind, Form(now + 1, forms))
        folder.run(folder.config(WALL), panes=9)
    before = written(folder.path / "log.db")
    assert main(["run", "--config", str(file), "--data", str(folder.path), "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert f"has version {now + 1}, this release reads" in said
    assert "start the release that wrote it, or a newer one" in said
    assert written(folder.path / "log.db") == before
    with monkeypatch.context() as newer:
        newer.setitem(states.FORMS, kind, Form(now + 1, forms))
        since = folder.now
        folder.run(folder.config(WALL), panes=15)
    assert folder.scored("ctr", since)
