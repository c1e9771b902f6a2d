"""A real InfluxDB on loopback, for tests and by hand: influxd 1.6.7 of Debian behind a small shim for the v2 write.

InfluxDB serves `/api/v2/write` from 1.8 on; the shim turns it into the `/write` that 1.6 knows, as 1.8 does itself, and
passes `/query` on. It asks for the token if one is set, and can be told to fail, to be slow, or to be down.
`python -m tests.servers.influx` starts both, prints the address and stops at Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiohttp import ClientSession, web

from tests.servers.by_hand import serve
from tests.servers.debian import unpacked
from tests.servers.ports import free_port

READY_S: Final = 60.0
PRECISIONS: Final = {"ns": "ns", "us": "u", "ms": "ms", "s": "s"}
CONFIG: Final = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
[http]
bind-address = "127.0.0.1:{http}"
log-enabled = false
max-body-size = 25000000
"""


def influxd() -> Path:
    """The server's program: the installed one, or Debian's package unpacked into `.servers/`.

    Raises ServerMissing where there is neither.
    """
    installed = shutil.which("influxd")
    if installed:
        return Path(installed)
    return unpacked("influxdb") / "usr/bin/influxd"


class Fault(NamedTuple):
    """What the shim answers instead of writing."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = {}
    seconds: float = 0.0  # waited first; status 0: then it writes as always
    times: int = -1  # how often, -1: until `heal`


class InfluxServer:
    """influxd with its data in `folder`, and the shim before it; started by the constructor."""

    def __init__(self, folder: Path, token: str = "") -> None:
        self.folder, self.token = folder, token
        self.accepted: list[str] = []  # bodies of successful writes, in their order
        self.asked = 0  # write requests that came, whatever became of them
        self._fault: Fault | None = None
        self._rpc, self._http, self._shim_port = free_port(), free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = CONFIG.format(folder=folder, rpc=self._rpc, http=self._http)
        (folder / "influxdb.conf").write_text(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._shim: _Shim | None = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Where clients connect: the shim."""
        return f"http://127.0.0.1:{self._shim_port}"

    @property
    def native(self) -> str:
        """The server itself, with what 1.6 knows."""
        return f"http://127.0.0.1:{self._http}"

    def start(self) -> None:
        """Start both, on the ports and with the data of before."""
        with (self.folder / "influxd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(influxd()), "-config", str(self.folder / "influxdb.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"influxd does not answer: {self._log()}")
            time.sleep(0.05)
        self.resume()

    def stop(self) -> None:
        """Take both down; the data stay in `folder`."""
        self.pause()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Refuse connections: for a client the server is down."""
        if self._shim is not None:
            self._shim.end()
            self._shim = None

    def resume(self) -> None:
        """Take connections again."""
        if self._shim is None:
            self._shim = _Shim(self, self._shim_port)

    def fail(self, status: int, body: str = "", *, seconds: float = 0.0, times: int = -1, **headers: str) -> None:
        """Answer writes with this from now on; underscores in a header's name are dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._fault = Fault(status, body, named, seconds, times)

    def heal(self) -> None:
        """Write as always again."""
        self._fault = None

    def create(self, bucket: str) -> str:
        """A database, which is what 1.x calls a bucket; its name."""
        self.query("", f'CREATE DATABASE "{bucket}"', method="POST")
        return bucket

    def drop(self, bucket: str) -> None:
        """Remove a database with all that is in it."""
        self.query("", f'DROP DATABASE "{bucket}"', method="POST")

    def query(self, bucket: str, text: str, method: str = "GET") -> list[dict[str, Any]]:
        """The series that an InfluxQL query answers, times in nanoseconds. Raises RuntimeError for its errors."""
        parameters = urllib.parse.urlencode({"db": bucket, "q": text, "epoch": "ns"})
        request = urllib.request.Request(f"{self.native}/query?{parameters}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            results = json.load(answer)["results"]
        if any("error" in result for result in results):
            raise RuntimeError(f"{text}: {results}")
        return [series for result in results for series in result.get("series", [])]

    def take_fault(self) -> Fault | None:
        """What to do to the write that came just now."""
        fault = self._fault
        if fault is not None and fault.times > 0:
            self._fault = fault._replace(times=fault.times - 1) if fault.times > 1 else None
        return fault

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.native}/ping", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def _log(self) -> str:
        return (self.folder / "influxd.log").read_text(errors="replace")[-2000:]


class _Shim:
    """The v2 write endpoint on `port`, in a thread with an event loop of its own."""

    def __init__(self, server: InfluxServer, port: int) -> None:
        self._server, self._port = server, port
        self._begun, self._ended = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._begun.wait(READY_S):
            raise RuntimeError("the shim does not start")

    def end(self) -> None:
        """Stop listening and drop every connection."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=30_000_000)
        app.router.add_post("/api/v2/write", self._write)
        app.router.add_route("*", "/query", self._query)
        app.router.add_get("/ping", self._ping)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True).start()
        async with ClientSession() as self._session:
            self._begun.set()
            await self._ended.wait()
            await runner.cleanup()

    async def _write(self, request: web.Request) -> web.Response:
        self._server.asked += 1
        body = await request.read()
        fault = self._server.take_fault()
        if fault is not None:
            await asyncio.sleep(fault.seconds)
            if fault.status:
                return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        if (refused := self._refused(request)) is not None:
            return refused
        db, _, policy = request.query["bucket"].partition("/")
        asked = {"db": db, "precision": PRECISIONS[request.query.get("precision", "ns")]}
        parameters = asked | ({"rp": policy} if policy else {})
        body_file = io.BytesIO(body)  # aiohttp warns of large bodies given whole
        async with self._session.post(f"{self._server.native}/write", params=parameters, data=body_file) as answer:
            text = await answer.text()
            if answer.status == 204:
                self._server.accepted.append(body.decode())
                return web.Response(status=204)
            code = {400: "invalid", 404: "not found"}.get(answer.status, "internal error")
            error = json.loads(text)["error"] if text.startswith("{") else text
            return web.json_response({"code": code, "message": error}, status=answer.status)

    async def _query(self, request: web.Request) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        parameters = dict(request.query) | {name: str(value) for name, value in (await request.post()).items()}
        async with self._session.get(f"{self._server.native}/query", params=parameters) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type="application/json")

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "1.6.7", "X-Influxdb-Build": "OSS"})

    def _refused(self, request: web.Request) -> web.Response | None:
        if not self._server.token or request.headers.get("Authorization") == f"Token {self._server.token}":
            return None
        return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)


def main() -> None:
    parser = argparse.ArgumentParser(description="Start a real InfluxDB 1.6 with a v2 write endpoint until Ctrl-C.")
    parser.add_argument("--bucket", default="streamgauge", help="created at the start")
    bucket = parser.parse_args().bucket

    def start(folder: Path) -> tuple[InfluxServer, str]:
        server = InfluxServer(folder)
        server.create(bucket)
        return server, f"{server.url} bucket {bucket}"

    serve("influx", start)


if __name__ == "__main__":
    main()
