"""A server that answers as the documented API of Grafana 12 does to what publishing asks, and can be told to fail."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

TOKEN: Final = "glsa_right"


class Asked(NamedTuple):
    """One request that came."""

    method: str
    path: str
    body: Any


class Answer(NamedTuple):
    """One answer."""

    status: int
    body: Any


class StubGrafana:
    """Folders, data sources and dashboards in memory, below `prefix` of a loopback address."""

    def __init__(self, version: str = "12.1.0", prefix: str = "", port: int = 0) -> None:
        self.version, self.prefix = version, prefix
        self.folders: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.boards: dict[str, dict[str, Any]] = {}
        self.asked: list[Asked] = []
        self.health = Answer(200, {"status": "OK", "message": "datasource is working. 11 measurements found"})
        self.fault: Callable[[Asked], Answer | None] = lambda asked: None
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                given = stub.answer(Asked(self.command, self.path, body), dict(self.headers))
                is_text = isinstance(given.body, str)
                data = given.body.encode() if is_text else json.dumps(given.body).encode()
                self.send_response(given.status)
                self.send_header("Content-Type", "text/html" if is_text else "application/json")
                if given.status == 301:
                    self.send_header("Location", given.body["location"])
                self.send_header("Content-Length", str(len(data)))
                with contextlib.suppress(OSError):  # who asked may have given up
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Nothing is told."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def writes(self) -> list[Asked]:
        """What was asked to be changed."""
        return [asked for asked in self.asked if asked.method != "GET"]

    def answer(self, asked: Asked, headers: dict[str, str]) -> Answer:
        """What Grafana says to one request."""
        self.asked.append(asked)
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401})
        if asked.body is not None and "application/json" not in headers.get("Content-Type", ""):
            return Answer(400, {"message": "bad request data"})
        return self.fault(asked) or self._routed(asked)

    def _routed(self, asked: Asked) -> Answer:
        method, path = asked.method, asked.path.removeprefix(f"{self.prefix}/api/").split("/")
        match method, path:
            case "GET", ["frontend", "settings"]:
                return Answer(200, {"buildInfo": {"version": self.version, "commit": "abc", "env": "production"}})
            case "GET", ["folders", uid]:
                return _found(self.folders, uid, "folder not found")
            case "POST", ["folders"]:
                return self._new_folder(asked.body)
            case "GET", ["datasources", "uid", uid, "health"]:
                return self.health if uid in self.sources else Answer(404, {"message": "Data source not found"})
            case "GET", ["datasources", "uid", uid]:
                return _found(self.sources, uid, "Data source not found")
            case "POST" | "PUT", ["datasources", *rest]:
                return self._store_source(asked.body, rest[-1] if rest else "")
            case "GET", ["dashboards", "uid", uid]:
                return _found(self.boards, uid, "Dashboard not found")
            case "POST", ["dashboards", "db"]:
                return self._store_board(asked.body)
        return Answer(404, {"message": "Not found"})

    def _new_folder(self, body: dict[str, Any]) -> Answer:
        if set(body) - {"uid", "title", "parentUid"} or not body.get("title"):
            return Answer(400, {"message": "folder title cannot be empty"})
        if body["uid"] in self.folders:
            return Answer(409, {"message": "a folder with the same uid already exists"})
        self.folders[body["uid"]] = {"id": 1, "version": 1, **body}
        return Answer(200, self.folders[body["uid"]])

    def _store_source(self, body: dict[str, Any], uid: str) -> Answer:
        if not {"name", "type", "access", "url"} <= set(body) or len(uid or body.get("uid", "")) > 40:
            return Answer(400, {"message": "bad request data"})
        if uid and self.sources[uid].get("readOnly"):
            return Answer(403, {"message": "Cannot update read-only data source"})
        if not uid and any(source["name"] == body["name"] for source in self.sources.values()):
            return Answer(409, {"message": "data source with the same name already exists"})
        kept = {key: value for key, value in body.items() if key != "secureJsonData"}  # secrets are never given back
        secrets = dict.fromkeys(body.get("secureJsonData", {}), True)
        self.sources[uid or body["uid"]] = {"id": 7, "readOnly": False, "secureJsonFields": secrets, **kept}
        return Answer(200, {"datasource": kept, "id": 7, "message": "Datasource added", "name": body["name"]})

    def _store_board(self, body: dict[str, Any]) -> Answer:
        board, folder = body["dashboard"], body["folderUid"]
        if not board.get("title") or len(board.get("uid", "")) > 40 or board["id"] is not None:
            return Answer(400, {"message": "Dashboard title cannot be empty"})
        if folder not in self.folders:
            return Answer(400, {"message": "folder not found"})
        before = self.boards.get(board["uid"])
        if before and not body.get("overwrite"):
            return Answer(412, {"status": "name-exists", "message": "A dashboard with the same uid already exists"})
        version = before["dashboard"]["version"] + 1 if before else 1
        stored = {**board, "id": 11, "version": version}
        self.boards[board["uid"]] = {"meta": {"folderUid": folder, "provisioned": False}, "dashboard": stored}
        return Answer(200, {"id": 11, "uid": board["uid"], "status": "success", "version": version, "url": "/d/x"})


def _found(things: dict[str, dict[str, Any]], uid: str, missing: str) -> Answer:
    return Answer(200, things[uid]) if uid in things else Answer(404, {"message": missing})
