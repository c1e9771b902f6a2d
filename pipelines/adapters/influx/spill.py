"""The queue between the pipeline and a time-series store, on disk: lines in, lines out in the same order.

Every line goes through it, whether the store is up or down, so there is one way and no switch between two. What
`append` returned from survives `kill -9` and a power cut; what was taken is forgotten when the store has it, so a crash
in between only repeats. Segments are plain text, one line a row; the file `position` says how far the store has them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from streamgauge.pipelines.ports import StoreBusy

_SEGMENT_BYTES: Final = 8_000_000
_SUFFIX: Final = ".lines"


class Taken(NamedTuple):
    """Lines at the head of the queue, and where they end."""

    lines: list[str]
    segment: int
    offset: int


class Spill:
    """The queue in `folder`, which is made if missing; one thread appends, one takes, any may ask how much waits.

    Args:
        folder: of the segments.
        max_bytes: more than this is not taken in.
        segment_bytes: a segment is closed when it is as long.
    """

    def __init__(self, folder: Path, max_bytes: int, segment_bytes: int = _SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._max_bytes, self._segment_bytes = folder, max_bytes, segment_bytes
        self._lock = threading.Lock()
        self._ends = {int(path.stem): _whole(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))}
        self._head, self._offset = self._position()
        for number in [number for number in self._ends if number < self._head]:
            self._forget(number)
        self._tail = max(self._ends, default=self._head)  # never appended to: what it ends with is of another process
        self._file: int | None = None
        self._lines = sum(_count(self._path(number), self._begin(number)) for number in self._ends)

    @property
    def waiting(self) -> int:
        """Lines in the queue."""
        return self._lines

    @property
    def size(self) -> int:
        """Bytes of the lines in the queue."""
        with self._lock:
            return sum(end - self._begin(number) for number, end in self._ends.items())

    def append(self, lines: Sequence[str]) -> None:
        """Add lines, all or none. Raises StoreBusy when there is no room."""
        if not lines:
            return
        data = "".join(f"{line}\n" for line in lines).encode()
        if self.size + len(data) > self._max_bytes:
            raise StoreBusy(
                f"{self._folder} holds {self.size:,} bytes for a store that does not take them, and may not hold more"
                " than spill_bytes; mend the store, or raise it"
            )
        if self._file is None or self._ends[self._tail] >= self._segment_bytes:
            self._open()
        self._write(data)
        with self._lock:
            self._ends[self._tail] += len(data)
            self._lines += len(lines)

    def peek(self, limit: int, max_bytes: int) -> Taken:
        """Up to `limit` lines from the head, of about `max_bytes`, that stay there until `done`."""
        with self._lock:
            segments = [(number, end) for number, end in sorted(self._ends.items()) if end > self._begin(number)]
        if not segments:
            return Taken([], self._head, self._offset)
        number, end = segments[0]
        lines: list[str] = []
        offset = begin = self._begin(number)
        with self._path(number).open("rb") as file:
            file.seek(offset)
            while offset < end and len(lines) < limit and offset - begin < max_bytes:
                line = file.readline()
                offset += len(line)
                lines.append(line[:-1].decode(errors="replace"))
        return Taken(lines, number, offset)

    def done(self, taken: Taken) -> None:
        """Forget what was taken: the store has it."""
        position = self._folder / "position"
        fresh = position.with_suffix(".new")
        fresh.write_text(f"{taken.segment} {taken.offset}\n")
        fresh.replace(position)
        with self._lock:
            self._head, self._offset = taken.segment, taken.offset
            self._lines -= len(taken.lines)
            old = [n for n, end in self._ends.items() if n < self._head or (n < self._tail and end <= self._begin(n))]
            for number in old:
                self._forget(number)

    def close(self) -> None:
        """Release the files."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _begin(self, number: int) -> int:
        return self._offset if number == self._head else 0

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:010d}{_SUFFIX}"

    def _forget(self, number: int) -> None:
        del self._ends[number]
        self._path(number).unlink(missing_ok=True)

    def _position(self) -> tuple[int, int]:
        try:
            number, offset = (self._folder / "position").read_text().split()
            head, at = int(number), int(offset)
        except (OSError, ValueError):
            return min(self._ends, default=0), 0
        return head, min(at, self._ends.get(head, at))

    def _open(self) -> None:
        self.close()
        try:
            self._file = os.open(self._path(self._tail + 1), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            _sync_folder(self._folder)
        except OSError as error:
            raise StoreBusy(f"cannot write to {self._folder}: {error.strerror}; free disk space") from error
        with self._lock:
            self._tail += 1
            self._ends[self._tail] = 0

    def _write(self, data: bytes) -> None:
        """Write all of it, or leave the file as it was."""
        assert self._file is not None
        end = self._ends[self._tail]
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)
            raise StoreBusy(f"cannot write to {self._folder}: {error.strerror}; free disk space") from error


def _whole(path: Path) -> int:
    """The length of a segment without what a crash left of its last line, which is never read."""
    return path.read_bytes().rfind(b"\n") + 1


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _count(path: Path, begin: int) -> int:
    return path.read_bytes().count(b"\n", begin)
