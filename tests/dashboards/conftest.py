"""A real service over the recorded store, and a browser to look at its page."""

from __future__ import annotations

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from streamgauge.anomaly.types import Part
from streamgauge.pipelines.adapters.http.security import Guard
from streamgauge.pipelines.service import assembly, stores
from streamgauge.pipelines.service.run import Service
from streamgauge.pipelines.wire import outputs
from streamgauge.tracer.local.log import LocalLog
from tests.dashboards import world
from tests.dashboards.cutting import Wire
from tests.places import ROOT
from tests.waiting import until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
WEB = ROOT / "dashboards" / "web"
PATIENCE = 60_000.0  # milliseconds; a shared machine may be many times slower than a free one


class Host:
    """The running service, the wire to it, and its log."""

    def __init__(self, folder: Path) -> None:
        self.config = world.config(folder)
        world.fill(stores.store_path(self.config))
        parts = assembly.parts_of(self.config)._replace(now=lambda: world.NOW)
        self.service = Service(self.config, parts)
        self.address = self.service.start(Guard("127.0.0.1"), WEB).rstrip("/")
        self.wire = Wire(int(self.address.rpartition(":")[2]))
        self.url = f"http://127.0.0.1:{self.wire.port}/"
        self.log = LocalLog(assembly.log_path(self.config))
        self.hour = 0

    def next_score(self, points: int) -> None:
        """The live job's next window closes with this score."""
        self.hour += 1
        end = world.NOW + self.hour * 60.0
        lost = 100_000_000 - points * 1_000_000
        part = (Part("train", "", "", "loss", lost),)
        domains = {"sample": 99_000_000, "train": points * 1_000_000, "system": 99_000_000}
        scores = world.score(world.LIVE, end, domains, part)
        self.log.send([("scores", world.LIVE, outputs.encode(one)) for one in scores])

    @contextlib.contextmanager
    def streaming(self, name: str, count: int) -> Iterator[None]:
        """What is sent within is over when `count` events of this name were handed out, and the store has them."""
        with urllib.request.urlopen(f"{self.address}/api/events", timeout=PATIENCE / 1000) as stream:
            yield
            for line in stream:
                count -= line.strip() == f"event: {name}".encode()
                if not count:
                    break
        until(lambda: self.row(world.LIVE)["last_data"] >= world.NOW + self.hour * 60.0)

    def row(self, job: str) -> dict[str, Any]:
        """What the JSON says of a job, past the wire."""
        with urllib.request.urlopen(f"{self.address}/api/jobs", timeout=PATIENCE / 1000) as answer:
            return next(one for one in json.load(answer) if one["job"] == job)

    def series(self, job: str, entity: str) -> int:
        """How many series of an entity the JSON lists."""
        address = f"{self.address}/api/jobs/{quote(job)}/series?entity={quote(entity)}"
        with urllib.request.urlopen(address, timeout=PATIENCE / 1000) as answer:
            return len(json.load(answer))

    def stop(self) -> None:
        """Stop all of it."""
        self.wire.close()
        self.service.stop()
        self.log.close()


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One service for all tests; those that write use the job `live`."""
    one = Host(tmp_path_factory.mktemp("page"))
    yield one
    one.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install --no-install-recommends chromium")
    with playwright.sync_playwright() as engine:
        one = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield one
        one.close()


class Tab:
    """A page with what it complained of and where it asked."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url, self.faults, self.requests = page, url, list[str](), list[str]()
        self.allowed: tuple[str, ...] = ()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"pageerror: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._refuse)

    def open(self, fragment: str) -> Any:
        """Load the page at a state."""
        self.page.goto(f"{self.url}{fragment}", wait_until="domcontentloaded")
        self.page.wait_for_selector("main > *:not(.empty)", timeout=PATIENCE)
        return self.page

    def _refuse(self, dialog: Any) -> None:
        self.faults.append("a dialog opened: a hostile name ran")
        dialog.dismiss()

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self.allowed):
            self.faults.append(message.text)


@pytest.fixture
def tabs(host: Host, browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens tabs; at the end none has complained, and none has asked another host."""
    opened: list[Tab] = []
    contexts: list[Any] = []

    def make(width: int = 1440, theme: str = "dark") -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", timezone_id="UTC"
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        opened.append(Tab(context.new_page(), host.url))
        return opened[-1]

    yield make
    for context in contexts:
        context.close()
    for tab in opened:
        assert tab.faults == []
        assert [url for url in tab.requests if not url.startswith((tab.url, "data:", "blob:"))] == []


def texts(page: Any, selector: str) -> list[str]:
    """The visible text of each element that is there now, read at once; none is waited for."""
    return [str(one) for one in page.locator(selector).all_inner_texts()]


def focused(page: Any) -> str:
    """The second class of what has the focus, "" if it has none."""
    return str(page.evaluate("document.activeElement.classList[1] ?? ''"))
