"""The `Store` port on the embedded store and an InfluxDB at once: the page reads the one, Grafana the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamgauge.pipelines.adapters.influx.store import InfluxStore
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.ports import Stored


class BothStores:
    """Writes to both; either may say StoreBusy, and what the other has already is written again without harm."""

    def __init__(self, sqlite: SqliteStore, influx: InfluxStore) -> None:
        self._sqlite, self._influx = sqlite, influx

    def write(self, records: Iterable[Stored]) -> None:
        """Write all to the embedded store, and put all into the queue for InfluxDB. Raises StoreBusy."""
        kept = list(records)
        self._sqlite.write(kept)
        self._influx.write(kept)

    def purge(self, seconds: float = 0.05) -> bool:
        """Let the embedded store forget; InfluxDB does so by the retention of its bucket."""
        return self._sqlite.purge(seconds)

    @property
    def identity(self) -> str:
        """Of the store that is a file."""
        return self._sqlite.identity

    def health(self) -> dict[str, Any]:
        """What waits for InfluxDB."""
        return self._influx.health()

    @property
    def held_bytes(self) -> int:
        """Of both. Any thread may ask."""
        return self._sqlite.held_bytes + self._influx.held_bytes

    def close(self) -> None:
        """Release both."""
        self._influx.close()
        self._sqlite.close()
