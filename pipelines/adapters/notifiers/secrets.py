"""The secret of a receiver, read anew each time so that it can be changed under a running process."""

from __future__ import annotations

from pathlib import Path

from streamgauge.pipelines.config.schema import Receiver
from streamgauge.pipelines.ports import NotifyError


def secret_of(config: Receiver, name: str) -> str:
    """The text of `secret_file`, "" without one. Raises NotifyError, to be tried again: the file may come back."""
    if not config.secret_file:
        return ""
    try:
        return Path(config.secret_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotifyError(f"{name}: secret_file: {error}", retryable=True) from error
