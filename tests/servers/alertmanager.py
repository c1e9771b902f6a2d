"""A real Alertmanager on loopback: Debian's package, in a root of its own, since its template's path is built in."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.servers.debian import unpacked
from tests.servers.jars import ServerMissing
from tests.servers.ports import free_port

READY_S: Final = 60.0
_BINARY: Final = "usr/bin/prometheus-alertmanager"
_CONFIG: Final = """
route: {{receiver: hook, group_by: [episode], group_wait: 1s, group_interval: 1s, repeat_interval: 4h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{hook}", send_resolved: true}}]}}]
"""


class AlertmanagerServer:
    """One process. `stop` and `start` restart it over what it keeps."""

    def __init__(self, folder: Path, hook: str) -> None:
        if os.geteuid() != 0:
            raise ServerMissing("Alertmanager's package runs here in a root of its own, which only root can make")
        self._folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        source = unpacked("prometheus-alertmanager")
        for part in ("usr/bin", "usr/share/prometheus"):
            shutil.copytree(source / part, folder / part, symlinks=True)
        for library in _libraries(folder / _BINARY):
            (folder / library.parent.relative_to("/")).mkdir(parents=True, exist_ok=True)
            shutil.copy(library, folder / library.relative_to("/"))
        (folder / "data").mkdir()
        (folder / "am.yml").write_text(_CONFIG.format(hook=hook))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        arguments = ("--config.file=/am.yml", "--storage.path=/data", "--cluster.listen-address=")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["chroot", str(self._folder), f"/{_BINARY}", *arguments, f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise ServerMissing(f"Alertmanager ended: {(self._folder / 'log').read_text()[-400:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise ServerMissing(f"Alertmanager was not ready within {READY_S:g} s")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def kill(self) -> None:
        """End it before it has written anything down."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)

    def alerts(self) -> list[dict[str, Any]]:
        """What it holds."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = msgspec.json.decode(answer.read())
            return found


def _libraries(binary: Path) -> list[Path]:
    """What a program is linked with."""
    done = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    return [Path(word) for line in done.stdout.splitlines() for word in line.split() if word.startswith("/")]
