"""What a notifier keeps over a restart: one JSON file, replaced as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from streamgauge.pipelines.ports import NotifyError

T = TypeVar("T")


def read(file: Path, kind: type[dict[str, T]]) -> dict[str, T]:
    """What is kept; nothing where there is no file that can be read: what fires is told again with its repeat."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return {}


def write(name: str, file: Path, kept: dict[str, Any]) -> None:
    """Keep it. Raises NotifyError of the notifier of this name."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(kept))
        fresh.replace(file)
    except OSError as error:
        raise NotifyError(f"{name}: {file}: {error}", retryable=True) from error
