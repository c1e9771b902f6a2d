"""Folders in which a command finds what it works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.tracer.local.log import LocalLog


def with_log(folder: Path, config: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a configuration and a log that has begun."""
    monkeypatch.chdir(folder)
    (folder / "streamgauge.toml").write_text(config)
    (folder / "data").mkdir()
    LocalLog(folder / "data" / "log.db").send([("traces", "other", b"x")])
    return folder
