"""The data folder of a process: taken by one process at a time, so that nobody else writes to its log and store."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO


class FolderInUse(Exception):
    """A data folder that this process cannot have: another one runs on it, or nobody may write to it."""


def lock_folder(folder: Path) -> IO[str]:
    """Take a data folder for this process; keep the file open for as long as it runs.

    Raises:
        FolderInUse: another process has it, or it is no folder that this user may write to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+")
    except (FileExistsError, NotADirectoryError):
        raise FolderInUse(f"{folder} is no folder; name one with --data") from None
    except OSError as error:
        text = f"{folder} cannot be written to: {error.strerror or error}; name another folder with --data"
        raise FolderInUse(text) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        text = f"another streamgauge (process {holder}) runs on {folder}; stop it, or name another folder with --data"
        raise FolderInUse(text) from None
    file.truncate(0)
    with suppress(OSError):  # who it is, is said to others only; a full disk must not keep it from waiting for room
        os.write(file.fileno(), b"%d\n" % os.getpid())
    return file
