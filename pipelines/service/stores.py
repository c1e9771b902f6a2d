"""Which time-series store a configuration means: opened for writing, for reading, and named."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.config.faults import ConfigError, Fault
from streamgauge.pipelines.config.schema import Config, Influx
from streamgauge.pipelines.ports import Query, Store

if TYPE_CHECKING:
    from streamgauge.pipelines.adapters.influx.store import InfluxStore

TOKEN: Final = "STREAMGAUGE_INFLUX_TOKEN"  # environment variable, used where no influx.token_file is configured
_MISSING: Final = "the client of InfluxDB is not installed: pip install 'streamgauge[influx]'"
_PURGE_EVERY: Final = 1.0


def store_path(config: Config) -> Path:
    """The embedded store."""
    return Path(config.data) / "store.db"


def is_embedded(config: Config) -> bool:
    """Whether the store that is read is the embedded one."""
    return _influx(config) is None or config.store == "both"


def place(config: Config) -> str:
    """Where the store is, in words."""
    names = [str(store_path(config))] if is_embedded(config) else []
    influx = _influx(config)
    if influx is not None:
        names.append(f"bucket {influx.bucket} of {influx.url}")
    return " and ".join(names)


def open_store(config: Config, environment: Mapping[str, str] = os.environ) -> Store:
    """The store to write to. Raises ConfigError for a token that cannot be read, or a client that is not there."""
    influx = _influx(config)
    if influx is None:
        return SqliteStore(store_path(config), retention=config.retention)
    queue = _influx_store(influx, Path(config.data) / "influx", environment)
    if not is_embedded(config):
        return queue
    from streamgauge.pipelines.adapters.stores.both import BothStores

    return BothStores(SqliteStore(store_path(config), retention=config.retention), queue)


def query_of(config: Config, environment: Mapping[str, str] = os.environ) -> Callable[[], Query]:
    """What opens the store for reading, once a thread: the embedded one where there is one."""
    influx = _influx(config)
    if influx is None or is_embedded(config):
        return lambda: SqliteQuery(store_path(config))
    from streamgauge.pipelines.adapters.influx.api import InfluxApi
    from streamgauge.pipelines.adapters.influx.query import InfluxQuery

    try:
        shared = InfluxQuery(InfluxApi(influx, environment.get(TOKEN, "")))
    except ImportError:
        raise ConfigError([Fault("influx", _MISSING)]) from None
    return lambda: shared


def is_there(config: Config) -> bool:
    """Whether there is a store to read; the embedded one begins with the first `run`."""
    return not is_embedded(config) or store_path(config).is_file()


@contextmanager
def reading(config: Config) -> Iterator[Query]:
    """The store, to be read, as long as it takes."""
    query = query_of(config)()
    try:
        yield query
    finally:
        query.close()


class Purge:
    """Lets the embedded store forget, in short slices, when the writer has nothing to write."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self, store: Store) -> int:
        """Work for a moment; whether there is more to forget."""
        purge = getattr(store, "purge", None)
        if purge is None or time.monotonic() < self._due:
            return 0
        has_more = bool(purge())
        self._due = time.monotonic() + (0.0 if has_more else _PURGE_EVERY)
        return int(has_more)


def _influx(config: Config) -> Influx | None:
    return None if config.store == "sqlite" else config.influx


def _influx_store(influx: Influx, folder: Path, environment: Mapping[str, str]) -> InfluxStore:
    from streamgauge.pipelines.adapters.influx.store import InfluxStore

    if influx.token_file and not os.access(influx.token_file, os.R_OK):
        text = f"cannot read {influx.token_file}; write the token into it, or name a readable file"
        raise ConfigError([Fault("influx.token_file", text)])
    try:
        return InfluxStore(influx, folder, token=environment.get(TOKEN, ""))
    except ImportError:
        raise ConfigError([Fault("influx", _MISSING)]) from None
