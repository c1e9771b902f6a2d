"""`python -m tests.soak.live`: what a job traces is changed from the page, through outages; a fault is looked into.

Three workers train the flights model in Keras on real Kafka, `streamgauge run` watches them, Chromium shows its page.
A person picks tensors of one worker from the catalogue, sees what that costs and applies it. The broker is killed and
comes back, the worker is killed and comes back. Then the learning rate of another worker goes wrong: the incident asks
for deeper traces of it by itself, and shows what came back. Prints how long each took to be seen; 1 where one was not.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from streamgauge.examples.flights import data
from streamgauge.examples.flights.columns import AIRPORTS
from streamgauge.pipelines.config.schema import Kafka
from streamgauge.tracer import arrays, control
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.transport import LogError
from tests.places import ROOT
from tests.servers.kafka import KafkaServers
from tests.soak.parts import brokers
from tests.waiting import until

JOB: Final = "flights-live"  # of streamgauge.examples.flights.live, whose import costs TensorFlow's
CHOSEN: Final = ("dense_32/kernel", "logit/bias")
ASKED, BROKEN = "LGA", "JFK"  # the worker whose plan is changed, and the one that goes wrong
PATIENCE: Final = 180.0  # seconds
CONFIG: Final = """
data = "{folder}/data"
port = 0
console = false
deeper_traces = 60
[kafka]
bootstrap = "{bootstrap}"
prefix = "{prefix}"
[jobs.{job}]
pane = 1
tick = 0.5
workers = 3
windows = [
  {{ name = "short", kind = "short", length = 10, slide = 10 }},
  {{ name = "long", kind = "long", length = 600, slide = 10 }},
  {{ name = "wall", kind = "wall", length = 10, slide = 10 }},
]
paging = {{ grace = 5, max_wait = 30 }}
"""


class Parts:
    """The processes, and what the bus holds."""

    def __init__(self, folder: Path, servers: KafkaServers, kafka: Kafka) -> None:
        self.broken = folder / "broken"
        self._folder, self._servers, self._kafka = folder, servers, kafka
        self.bus = KafkaTransport(kafka.bootstrap, prefix=kafka.prefix)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        config = folder / "streamgauge.toml"
        config.write_text(
            CONFIG.format(folder=folder, bootstrap=kafka.bootstrap, prefix=kafka.prefix, job=JOB)
        )  # fmt: skip
        self._config = config

    def begin(self) -> None:
        """Start them; when `run` listens, `url` is where."""
        self._start("run", "streamgauge.pipelines", "run", "--config", str(self._config))
        for airport in AIRPORTS:
            self.start(airport)
        until(lambda: self._said("run") or self._has_ended("run"), "run does not start", patience=PATIENCE)
        assert not self._has_ended("run"), (self._folder / "run.log").read_text()
        self.url = self._said("run").splitlines()[-1].split()[1]

    def start(self, airport: str) -> None:
        where = ["--bootstrap", self._kafka.bootstrap, "--prefix", self._kafka.prefix, "--cache", str(self._folder)]
        more = ["--progress", str(self._folder / f"{airport}.steps"), "--broken", str(self.broken)]
        more = more if airport == BROKEN else more[:2]
        self._start(airport, "streamgauge.examples.flights.live", "--airport", airport, *where, *more)

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self) -> None:
        for name in self._processes:
            self.kill(name)
        self._servers.stop()

    def steps(self, airport: str) -> int:
        file = self._folder / f"{airport}.steps"
        return int(file.read_text() or 0) if file.exists() else 0

    def status(self, airport: str) -> control.Status | None:
        said = self.bus.latest("status").get(f"{JOB}/{airport}")
        return control.decode_status(said) if said else None

    def states(self, airport: str, plan: str) -> set[str]:
        status = self.status(airport)
        return {state.state for state in status.plans if state.plan == plan} if status else set()

    def arrays(self, since: float = 0.0) -> set[tuple[str, str, str]]:
        """Worker, life and tensor of the arrays on the bus."""
        found = set()
        for number in range(self._kafka.partitions):
            try:
                messages = self.bus.read(f"tensors/{number}", 0, 100_000)
            except LogError:  # the broker is on its way back
                continue
            chunks = (arrays.decode(message.value) for message in messages)
            found |= {(chunk.worker, chunk.incarnation, chunk.name) for chunk in chunks if chunk.time >= since}
        return found

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30.0) as answer:
            return json.load(answer)

    def _start(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.out").open("ab") as out, (self._folder / f"{name}.log").open("ab") as log:
            started = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=out, stderr=log)
        self._processes[name] = started

    def _has_ended(self, name: str) -> bool:
        return self._processes[name].poll() is not None

    def _said(self, name: str) -> str:
        return (self._folder / f"{name}.out").read_text()


class Seen:
    """How long each thing took until it was seen."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def __call__(self, what: str, holds: Callable[[], Any], patience: float = PATIENCE) -> None:
        since = time.monotonic()
        until(holds, f"not seen: {what}", patience=patience)
        now = time.monotonic()
        print(f"{now - self.began:7.1f} s  {what}: after {now - since:.1f} s", flush=True)


def changed_from_the_page(page: Any, parts: Parts, seen: Seen) -> None:
    """Picked from the catalogue, its cost seen, applied to one worker."""
    seen("three workers have a catalogue on the page", lambda: page.locator(".plan-workers input").count() == 3)
    for name in CHOSEN:
        page.locator(".entry", has_text=name).locator("input").check()
    page.locator("select[name=emit]").select_option("raw")
    page.get_by_label("Every").fill("20")
    page.locator(f'input[value="{ASKED}"]').check()
    seen("its cost is shown", lambda: "take it" in text(page, ".cost") and f"{len(CHOSEN)} of" in text(page, ".cost"))
    print(" " * 11 + " ".join(text(page, ".cost").split()), flush=True)
    page.get_by_role("button", name="Apply").click()
    expected = {airport: "applied" if airport == ASKED else "not-targeted" for airport in AIRPORTS}
    seen("every worker answers on the page", lambda: answers(page, "on-call") == expected)
    seen("arrays of the chosen come", lambda: {name for _, _, name in parts.arrays()} >= set(CHOSEN))
    assert {worker for worker, _, _ in parts.arrays()} == {ASKED}
    page.locator(".tensor-row", has_text=CHOSEN[0]).first.click()
    page.wait_for_selector(".tensor canvas.heat")


def outages(page: Any, parts: Parts, servers: KafkaServers, seen: Seen) -> None:
    """The bus dies and comes back; the worker dies and comes back."""
    servers.kill()
    done = {airport: parts.steps(airport) for airport in AIRPORTS}
    seen("training goes on without a bus", lambda: all(parts.steps(a) >= done[a] + 50 for a in AIRPORTS))
    servers.start()
    back = time.time()
    seen("arrays come again", lambda: {name for _, _, name in parts.arrays(back)} == set(CHOSEN))
    assert {worker for worker, _, _ in parts.arrays(back)} == {ASKED}
    seen("the plan has settled", lambda: any(s.settled for s in (parts.status(ASKED) or EMPTY).plans))
    life = (parts.status(ASKED) or EMPTY).incarnation
    parts.kill(ASKED)
    parts.start(ASKED)
    seen("another life finds its plan", lambda: (parts.status(ASKED) or EMPTY).incarnation != life
         and "applied" in parts.states(ASKED, "on-call"))  # fmt: skip
    seen("and sends what it asks", lambda: {n for _, lived, n in parts.arrays(back) if lived != life} == set(CHOSEN))
    seen("the page says so", lambda: answers(page, "on-call").get(ASKED) == "applied")


def looked_into(page: Any, parts: Parts, seen: Seen) -> None:
    """A fault is planted; the incident asks for more, and shows what came."""
    begin = time.time()
    parts.broken.touch()
    seen("an incident of it is told", lambda: incident(parts, begin))
    seen("its worker traces more deeply", lambda: "applied" in parts.states(BROKEN, "deeper"))
    seen("arrays of it come", lambda: any(worker == BROKEN for worker, _, _ in parts.arrays(begin)))
    page.goto(f"{parts.url}#/incidents?job={JOB}&incident={incident(parts, begin)}")
    seen("the incident says that it asked", lambda: "Deeper traces asked for" in text(page, ".deeper"))
    seen("and what came", lambda: page.locator(".diagnoses li").count() > 0)
    for line in page.locator(".diagnoses li").all_inner_texts():
        print(" " * 11 + line, flush=True)


def incident(parts: Parts, begin: float) -> str:
    """The open one about the planted fault, "" while there is none."""
    roots = [one for one in parts.ask(f"api/jobs/{JOB}/incidents") if one["root"]["start"] >= begin - 30.0]
    fitting = [one["id"] for one in roots if one["root"]["domain"] == "train" and one["root"]["worker"] in ("", BROKEN)]
    return str(fitting[0]) if fitting else ""


def text(page: Any, selector: str) -> str:
    """The visible text there is now."""
    return "\n".join(page.locator(selector).all_inner_texts())


def answers(page: Any, plan: str) -> dict[str, str]:
    """What the page says of a plan's workers."""
    found = page.locator(f'[data-plan="{plan}"] .answer')
    return dict(found.evaluate_all("(found) => found.map((one) => [one.dataset.worker, one.dataset.state])"))


EMPTY: Final = control.Status(job=JOB, worker="", incarnation="", time=0.0)


def main() -> int:
    """Play it all."""
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-live-"))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    data.load(AIRPORTS[0], folder)
    servers, kafka = brokers(folder, 1)
    parts = Parts(folder, servers, kafka)
    seen = Seen()
    try:
        parts.begin()
        with sync_playwright() as engine:
            browser = engine.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(1000.0 * PATIENCE)
            page.goto(f"{parts.url}#/traces?job={JOB}")
            changed_from_the_page(page, parts, seen)
            outages(page, parts, servers, seen)
            looked_into(page, parts, seen)
            browser.close()
    except AssertionError as error:
        print(f"{error}; everything is kept in {folder}", flush=True)
        return 1
    finally:
        parts.stop()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
