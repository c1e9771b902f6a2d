"""Publishing to a running Grafana through its HTTP API: the folder, the data source, the dashboards.

Done with grafana-client 5, which replaces grafana-api (abandoned in 2020: no uids of folders, no nested folders). Every
object has a fixed uid, so publishing again changes what differs and nothing else; a run that was cut goes on where it
stopped. Grafana that refuses the connection, is starting or is overloaded is asked again until `patience` is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from streamgauge.dashboards.grafana.sources import Source

FOLDER: Final = {"uid": "streamgauge", "title": "Streamgauge"}
OLDEST: Final = 10  # major version that shows these dashboards
_PAUSE: Final = 1.0  # seconds between two tries
_OURS: Final = ("name", "type", "access", "url", "jsonData")  # of a data source, what Grafana gives back
_STAMPED: Final = ("id", "version")  # of a dashboard, what Grafana sets


class PublishError(Exception):
    """Grafana did not take it; the message says what to do."""


class Published(NamedTuple):
    """What became of one object: created, updated, unchanged, or provisioned by files (left alone)."""

    kind: str
    uid: str
    what: str


class Grafana:
    """A Grafana and the right to write to it.

    Args:
        url: its address, with its path if it is served under one.
        token: of a service account with the role Editor, Admin for the data source.
        patience: seconds to go on asking while it is not there.
        timeout: seconds that one answer may take.
        sleep: waits so many seconds; tests give one that does not.
    """

    def __init__(
        self, url: str, token: str, *, patience: float = 0.0, timeout: float = 15.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._url, self._sleep = url, sleep
        self._tries = 1 + int(patience / _PAUSE)
        self._api = _api(url, token, timeout)

    def publish(self, source: Source, boards: Mapping[str, dict[str, Any]]) -> Iterator[Published]:
        """Bring everything up to date, one by one. Raises PublishError."""
        self._check_version()
        yield self._folder()
        yield self._source(source)
        for uid, board in boards.items():
            yield self._board(uid, board)

    def reaches_store(self, source: Source) -> str:
        """What Grafana says of the way to the store: "" if it is open, or why not."""
        try:
            answer = self._api.datasource.health(source.uid)
        except Exception as error:
            return self._explained("data source", error)
        return "" if answer.get("status") == "OK" else str(answer.get("message", answer))

    def _check_version(self) -> None:
        version = str(self._ask("version", lambda: self._api.health.check()["version"]))
        major = version.split(".")[0]
        if major.isdigit() and int(major) < OLDEST:
            raise PublishError(f"Grafana {version} is too old: {OLDEST} or newer shows these dashboards")

    def _folder(self) -> Published:
        uid, title = FOLDER["uid"], FOLDER["title"]
        found = self._find("folder", lambda: self._api.folder.get_folder(uid))
        if found is None:
            self._ask("folder", lambda: self._api.folder.create_folder(title, uid))
            return Published("folder", uid, "created")
        return Published("folder", uid, "unchanged")  # a person may have given it another title

    def _source(self, source: Source) -> Published:
        body = source.body()
        found = self._find("data source", lambda: self._api.datasource.get_datasource_by_uid(source.uid))
        if found is None:
            self._ask("data source", lambda: self._api.datasource.create_datasource(body))
            return Published("data source", source.uid, "created")
        if found.get("readOnly"):
            return Published("data source", source.uid, "provisioned by files")
        if not source.token and all(found.get(key) == body[key] for key in _OURS):
            return Published("data source", source.uid, "unchanged")
        self._ask("data source", lambda: self._api.datasource.update_datasource_by_uid(source.uid, body))
        return Published("data source", source.uid, "updated")

    def _board(self, uid: str, board: dict[str, Any]) -> Published:
        found = self._find("dashboard", lambda: self._api.dashboard.get_dashboard(uid))
        if found is not None and found.get("meta", {}).get("provisioned"):
            return Published("dashboard", uid, "provisioned by files")
        if found is not None and _is_same(found, board):
            return Published("dashboard", uid, "unchanged")
        body = {"dashboard": {**board, "id": None}, "folderUid": FOLDER["uid"], "overwrite": True}
        self._ask(f"dashboard {uid}", lambda: self._api.dashboard.update_dashboard(body))
        return Published("dashboard", uid, "updated" if found else "created")

    def _find(self, what: str, ask: Callable[[], Any]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._ask(what, ask, missing=True)
        return found

    def _ask(self, what: str, ask: Callable[[], Any], *, missing: bool = False) -> Any:
        """The answer; None for a 404 if the thing may be missing. What may pass is tried again."""
        for attempt in range(self._tries):
            if attempt:
                self._sleep(_PAUSE)
            try:
                return ask()
            except Exception as error:
                status = getattr(error, "status_code", None)
                if missing and status == 404:
                    return None
                if not _may_pass(error, status) or attempt + 1 == self._tries:
                    raise PublishError(self._explained(what, error)) from error
        raise AssertionError("there is at least one try")

    def _explained(self, what: str, error: Exception) -> str:
        import niquests

        status = getattr(error, "status_code", None)
        if status:
            said = _said(error)
            return f"{what}: Grafana answers {status}{f', {said}' if said else ''}; {_REMEDIES.get(status, _ELSE)}"
        if isinstance(error, niquests.exceptions.TooManyRedirects):
            return f"{self._url} redirects: give the address that it redirects to"
        if isinstance(error, _OTHER):
            return f"{what}: {self._url} does not answer like Grafana: give its address, with its path if it has one"
        return f"no answer from {self._url} ({type(error).__name__}): does Grafana run there, and is it http or https?"


_OTHER: Final = (ValueError, AttributeError, TypeError)  # an answer that is no JSON, or another one than Grafana's
_ELSE: Final = "its log says more"
_REMEDIES: Final = {
    401: "make a new token (Administration, Service accounts) and put it into the token file",
    403: "give the token's service account the role Admin, or Editor where the data source is provisioned by files",
    404: "this Grafana does not have that route: is the address right, with its path?",
    409: "something else has that name: rename it there",
    412: "something else has that name or uid: rename or delete it there",
    422: "it does not take this content: is it Grafana 10 or newer?",
    429: "it is overloaded: try again later, or with a longer --wait",
}


def _api(url: str, token: str, timeout: float) -> Any:
    try:
        from grafana_client.api import GrafanaApi
    except ImportError:
        raise PublishError("publishing needs grafana-client: pip install 'streamgauge[grafana]'") from None
    if not url.startswith(("http://", "https://")):
        raise PublishError(f"the address of Grafana begins with http:// or https://, got {url!r}")
    api = GrafanaApi.from_url(url.rstrip("/") + "/", credential=token, timeout=timeout)  # it glues "api" to the path
    api.client.s.max_redirects = 0  # a redirected POST becomes a GET that answers 200
    return api


def _may_pass(error: Exception, status: int | None) -> bool:
    import niquests

    if status:
        return status == 429 or status >= 500
    return not isinstance(error, (niquests.exceptions.TooManyRedirects, *_OTHER))


def _said(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("message", "") if isinstance(response, dict) else response or "")[:300]


def _is_same(found: dict[str, Any], board: dict[str, Any]) -> bool:
    there = {key: value for key, value in found.get("dashboard", {}).items() if key not in _STAMPED}
    is_home = found.get("meta", {}).get("folderUid") == FOLDER["uid"]
    return is_home and there == {key: value for key, value in board.items() if key not in _STAMPED}
