"""InfluxDB over HTTP: lines through influxdb-client to `/api/v2/write`, InfluxQL through `/query`.

Both are what InfluxDB 1.8, 2.x and 3 Core share. The only file that imports the client. Errors:

Refused      the server will never take these lines (400, 413, 422); say them, and go on without them
StoreBusy    anything else: it is down, slow, full, wants another token or a bucket that is not there
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from streamgauge.pipelines.config.schema import Influx
from streamgauge.pipelines.ports import StoreBusy

REFUSED: Final = (400, 413, 422)
_MOST_PAUSE: Final = 300.0  # seconds of a Retry-After that are believed
_SHOWN: Final = 300  # characters of a server's words
_MISSING: Final = "InfluxDB needs its client: pip install 'streamgauge[influx]'"
_DROPPED: Final = re.compile(r"dropped=(\d+)")


class Refused(Exception):
    """The server will never take these lines; `dropped` is how many of them, None where it does not say."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        found = _DROPPED.search(words)
        self.dropped = int(found[1]) if found else None


class Throttled(StoreBusy):
    """The server wants to be left alone for `seconds`."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(words)
        self.seconds = seconds


class Series(NamedTuple):
    """One series of an answer: its tags, and its rows by the name of the column, `time` in nanoseconds."""

    tags: dict[str, str]
    rows: list[dict[str, Any]]


class InfluxApi:
    """One InfluxDB; any number of threads may ask it.

    Args:
        config: where it is and how it is spoken to.
        token: taken where no token_file is configured.
    """

    def __init__(self, config: Influx, token: str = "") -> None:
        try:
            import influxdb_client  # noqa: F401
            import urllib3
        except ImportError:
            raise ImportError(_MISSING) from None
        self._config, self._given = config, token
        self._url = config.url.rstrip("/")
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=config.timeout)
        self._client: Any = None
        self._write_api: Any = None
        self._token: str | None = None

    def write(self, lines: str) -> None:
        """Write lines of line protocol with times in nanoseconds. Raises Refused and StoreBusy."""
        import urllib3
        from influxdb_client.rest import ApiException

        try:
            self._writer().write(bucket=self._config.bucket, record=lines, write_precision="ns")
        except ApiException as error:
            if error.status is None:
                raise StoreBusy(self._silent(error)) from None
            self._raise(int(error.status), _words(error.body), error.headers or {})
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreBusy(self._silent(error)) from None

    def ask(self, query: str) -> list[Series]:
        """The series that an InfluxQL query answers. Raises StoreBusy."""
        import urllib3

        database, _, policy = self._config.bucket.partition("/")
        asked = {"db": database, "q": query, "epoch": "ns"} | ({"rp": policy} if policy else {})
        headers = {"Authorization": f"Token {token}"} if (token := self._read_token()) else {}
        try:
            answer = self._pool.request(
                "POST", f"{self._url}/query", fields=asked, headers=headers, encode_multipart=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreBusy(self._silent(error)) from None
        if answer.status in REFUSED:
            raise StoreBusy(f"InfluxDB at {self._url} cannot answer {query[:_SHOWN]}: {_words(answer.data)}")
        if answer.status != 200:
            self._raise(answer.status, _words(answer.data), answer.headers)
        return self._series(answer.data, query)

    def close(self) -> None:
        """Release the connections."""
        self._pool.clear()
        if self._client is not None:
            self._client.close()
        self._client = self._write_api = None

    def _series(self, data: bytes, query: str) -> list[Series]:
        try:
            results = json.loads(data)["results"]
        except (ValueError, KeyError, TypeError):
            raise StoreBusy(f"{self._url}/query answers what is no InfluxQL result: {_words(data)}") from None
        for result in results:
            if "error" in result:
                if "not found" in result["error"]:
                    self._raise(404, result["error"], {})
                raise StoreBusy(f"InfluxDB at {self._url} cannot answer {query[:_SHOWN]}: {result['error']}")
        return [
            Series(series.get("tags", {}), [dict(zip(series["columns"], row, strict=True)) for row in series["values"]])
            for result in results for series in result.get("series", ()) if "values" in series
        ]  # fmt: skip

    def _writer(self) -> Any:
        """The client's writer; a new one when the token has changed."""
        token = self._read_token()
        if self._client is None or token != self._token:
            from influxdb_client.client.influxdb_client import InfluxDBClient
            from influxdb_client.client.write_api import SYNCHRONOUS

            self.close()
            milliseconds = max(1, round(self._config.timeout * 1000))
            self._client = InfluxDBClient(self._url, token, org=self._config.org or "-", timeout=milliseconds)
            self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
            self._token = token
        return self._write_api

    def _read_token(self) -> str:
        """The token as it is in its file now, so that a new one needs no restart."""
        if not self._config.token_file:
            return self._given
        try:
            return Path(self._config.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreBusy(f"cannot read the token in influx.token_file {self._config.token_file}: {error}") from None

    def _silent(self, error: Exception) -> str:
        return f"InfluxDB at {self._url} does not answer: {_words(re.sub('<[^>]*>: ', '', str(error)))}"

    def _raise(self, status: int, words: str, headers: Mapping[str, str]) -> None:
        """Raises what an answer means."""
        if status in REFUSED:
            raise Refused(words)
        if status in (429, 503):
            pause = _retry_after(headers)
            raise Throttled(f"InfluxDB at {self._url} asks for a pause ({status}): {words}", pause)
        raise StoreBusy(self._remedy(status, words))

    def _remedy(self, status: int, words: str) -> str:
        where, bucket = f"InfluxDB at {self._url}", self._config.bucket
        if status in (401, 403):
            place = self._config.token_file or "the file that influx.token_file names"
            return f"{where} refuses the token ({status}): put one that may read and write {bucket!r} into {place}"
        if status == 404 and re.search("bucket|database|retention", words):
            return f"{where} has no bucket {bucket!r}: create it (docs/stores.md), or name another as influx.bucket"
        if status == 404:
            return f"{where} does not know /api/v2/write: it needs to be InfluxDB 1.8 or newer, 2 or 3 ({words})"
        return f"{where} fails ({status}): {words}"


def _words(body: Any) -> str:
    """What a server says, in one line."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    with contextlib.suppress(ValueError, AttributeError):
        said = json.loads(text)
        text = str(said.get("message") or said.get("error") or text)
    return " ".join(text.split())[:_SHOWN]


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of a Retry-After header, 0 without one that can be read."""
    text = headers.get("Retry-After") or headers.get("retry-after") or ""
    with contextlib.suppress(ValueError):
        return min(_MOST_PAUSE, max(0.0, float(text)))
    with contextlib.suppress(ValueError, TypeError):
        return min(_MOST_PAUSE, max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()))
    return 0.0
