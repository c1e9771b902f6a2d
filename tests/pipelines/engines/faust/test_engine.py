"""The Faust engine on a real broker: the embedded engine's answer, whoever joins, leaves, dies or is away."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.config import loading
from streamgauge.pipelines.wire import outputs, states
from tests.pipelines.adapters.kafka import test_answer
from tests.pipelines.adapters.kafka import world as kafka_world
from tests.pipelines.engines import kafka_log, test_kill
from tests.pipelines.engines.kafka_log import Hosts, Progress
from tests.pipelines.engines.tally import Tally, batch, tick
from tests.servers.kafka import KafkaServers
from tests.waiting import until

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("aiokafka", "cramjam")),
        reason="needs faust-streaming and aiokafka[lz4]: pip install 'streamgauge[faust]'",
    ),
]
PANES = 60
HASTY = """
import sys
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.engines.faust import group
group.SESSION = 4.0
sys.exit(main(["engine", "faust", "--config", sys.argv[1]]))
"""  # one that was killed is soon missed


class World:
    """A configuration, its topics, hosts, and a log that grows."""

    def __init__(self, servers: KafkaServers, folder: Path) -> None:
        self.kafka = kafka_world.topics(servers, partitions=3)
        self.path = kafka_log.configured(folder, self.kafka)
        self.config = loading.load(self.path)
        self.hosts, self.sent = Hosts(self.path), kafka_log.log_of([])
        self._folder = folder

    def check(self, dead: int = 0) -> None:
        """Wait until all is stored; then what was said is what the embedded engine says; so many more dead letters."""
        with kafka_world.bus(self.kafka, self._folder) as bus:
            until(lambda: Progress(self.path, bus).lag() == 0, "the hosts did not get to the end")
            self.hosts.stop()
            said, steady = kafka_log.said(bus), kafka_log.steady(self.config, self.sent)
        assert said.keys() == steady.keys()
        for stream, messages in steady.items():
            assert said[stream] == messages, stream
        assert len(steady["dead-letters"]) == len(kafka_log.FOREIGN) + dead
        assert sum(stream[0] == "partials" for stream in steady) == 4

    def send(self, panes: range) -> None:
        """Append what the workers send in these panes."""
        self.append(kafka_log.log_of(panes))

    def append(self, messages: kafka_log.Sent) -> None:
        """Append these."""
        self.sent += messages
        with kafka_world.bus(self.kafka, self._folder) as bus:
            bus.send(messages)


@pytest.fixture
def world(kafka: KafkaServers, tmp_path: Path) -> Iterator[World]:
    made = World(kafka, tmp_path)
    yield made
    made.hosts.kill()


@pytest.mark.timeout(300)
def test_hosts_that_join_and_leave_in_the_middle_change_nothing(world: World) -> None:
    world.hosts.start()
    with kafka_world.bus(world.kafka, world._folder) as bus:
        progress = Progress(world.path, bus)
        world.send(range(20))
        until(lambda: progress.scores() > 0, "the first host says nothing")
        world.hosts.start()
        world.send(range(20, 40))
        until(lambda: progress.lag() == 0, "two hosts do not get on")
        leaving = world.hosts.processes.pop(0)
        leaving.terminate()
        world.send(range(40, PANES))
        assert leaving.wait(30) == 0
    world.check()


@pytest.mark.timeout(300)
def test_hosts_killed_at_any_moment_change_nothing(world: World) -> None:
    chance = random.Random(5)
    with kafka_world.bus(world.kafka, world._folder) as bus:
        for start, others in ((0, 0), (20, 1)):  # alone, and with another that takes over
            world.send(range(start, start + 20))
            enough = Progress(world.path, bus).scores() + 1
            victim = world.hosts.start(HASTY)
            for _ in range(others):
                world.hosts.start(HASTY)
            until(lambda enough=enough: Progress(world.path, bus).scores() >= enough, "no host says anything")
            time.sleep(chance.uniform(0.0, 1.5))
            world.hosts.kill(victim)
    world.send(range(40, PANES))
    world.check()


@pytest.mark.timeout(300)
def test_brokers_that_are_away_at_the_start_and_in_the_middle_change_nothing(kafka_jars: None, tmp_path: Path) -> None:
    servers = KafkaServers(tmp_path / "broker")
    try:
        world = World(servers, tmp_path)
        world.send(range(30))
        servers.kill()
        world.hosts.start()
        time.sleep(3.0)  # it looks for a broker meanwhile, or has not got so far: both are right
        servers.start()
        with kafka_world.bus(world.kafka, tmp_path) as bus:
            progress = Progress(world.path, bus)
            until(lambda: progress.scores() > 0, "the host did not wait for the broker")
            servers.kill()
            time.sleep(3.0)
            servers.start()
            world.send(range(30, PANES))
        world.check()
    finally:
        world.hosts.kill()
        servers.stop()


@pytest.mark.timeout(300)
def test_a_window_and_pictures_too_large_for_a_message_are_said_in_parts(world: World) -> None:
    world.append(kafka_log.overgrown() + kafka_log.overdrawn())
    world.send(range(20))
    world.hosts.start()
    world.check()


@pytest.mark.timeout(300)
def test_more_partitions_of_traces_stop_the_hosts_with_what_to_do(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.send(range(10))
    hosts = [world.hosts.start() for _ in range(2)]
    with kafka_world.bus(world.kafka, world._folder) as bus:
        until(lambda: Progress(world.path, bus).lag() == 0, "the hosts did not get to the end")
    client = AdminClient({"bootstrap.servers": world.kafka.bootstrap})
    for answer in client.create_partitions([NewPartitions(f"{world.kafka.prefix}traces", 4)]).values():
        answer.result()
    assert all(host.wait(60) for host in hosts)
    hosts.append(world.hosts.start())  # nor does one begin
    assert hosts[-1].wait(60)
    complained = capfd.readouterr().err
    assert "traces got more than its 3 partitions, so keys lie elsewhere now; stop its jobs" in complained
    assert "state must have the 4 partitions of" in complained
    world.hosts.processes.clear()


HOST = """
import sys
from pathlib import Path
from streamgauge.pipelines.config import loading; from streamgauge.pipelines.wire import outputs, states
from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.engines.faust.engine import host
from tests.pipelines.engines.tally import Tally
host(loading.load(Path(sys.argv[1])), Tally)
"""


@pytest.mark.timeout(300)
def test_a_record_on_which_an_operator_fails_is_left_out_and_its_key_goes_on(world: World) -> None:
    sent = [batch("ctr", "poison" if i in (2, 70, 71) else "w", sequence=i + 1) for i in range(100)]
    log = [("traces", "ctr", data) for data in (*sent, tick("ctr", 10.0))]
    with kafka_world.bus(world.kafka, world._folder) as bus:
        bus.send(log)
        world.hosts.start(HOST)
        until(lambda: Progress(world.path, bus).lag() == 0, "the host did not get to the end")
        world.hosts.stop()
        said = kafka_log.said(bus)
    steady = kafka_log.steady(world.config, log, Tally)
    assert said == steady
    (scores,) = [messages for stream, messages in said.items() if stream[0] == "scores"]
    assert [outputs.decode(score).micropoints for score in scores] == [97]
    assert len(said["dead-letters"]) == 3


FORGETFUL = HOST.replace("host(", """
from streamgauge.pipelines.engines.faust import engine as faust
class Forgetful(faust.Group):
    def __init__(self, *args, take, **named):
        async def takes(message):
            if message.offset < 50:
                await take(message)
        super().__init__(*args, take=takes, **named)
faust.Group = Forgetful
host(""")


@pytest.mark.timeout(300)
def test_records_that_faust_leaves_out_at_the_end_of_the_log_are_read_directly(world: World) -> None:
    log = [("traces", "ctr", batch("ctr", "w", sequence=i + 1)) for i in range(100)]
    with kafka_world.bus(world.kafka, world._folder) as bus:
        bus.send(log)
        world.hosts.start(FORGETFUL)
        until(lambda: Progress(world.path, bus).lag() == 0, "the host did not read on")
        bus.send([("traces", "ctr", tick("ctr", 10.0))])
        until(lambda: Progress(world.path, bus).lag() == 0, "the host did not read the last one")
        world.hosts.stop()
        said = kafka_log.said(bus)
    (scores,) = [messages for stream, messages in said.items() if stream[0] == "scores"]
    assert [outputs.decode(score).micropoints for score in scores] == [100]


@pytest.mark.timeout(300)
def test_run_keeps_an_engine_and_ends_with_the_store_of_the_embedded_one(kafka: KafkaServers, tmp_path: Path) -> None:
    world = kafka_world.topics(kafka)
    config, folder = test_answer.configured(tmp_path, world), tmp_path / "data"
    config.write_text(f'engine = "faust"\n{config.read_text()}')
    messages = [message for number in range(60) for message in test_kill.pane_of(number)]
    process, address = test_answer.start(config, folder)
    try:
        with kafka_world.bus(world, tmp_path) as bus:
            bus.send(messages[:90])
            until(lambda: kafka_log.end(bus, "anomalies") > 0, "the engine says nothing")
            os.kill(_engine_of(process.pid), signal.SIGKILL)
            bus.send(messages[90:])
        test_answer.drained(address)
    finally:
        test_answer.stop(process)
    said = canonical_dump(folder / "store.db")
    assert said.splitlines() == test_answer.steady(tmp_path, world).splitlines()


def _engine_of(parent: int) -> int:
    """The one child of a process."""
    threads = Path(f"/proc/{parent}/task").iterdir()
    (child,) = [int(number) for thread in threads for number in (thread / "children").read_text().split()]
    return child


NEWER = """
import sys
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.wire import states
now = states.written("own")
steps = {**states.FORMS["own"].steps, now: lambda old: [now + 1, *old[1:]]}
states.FORMS["own"] = states.Form(now + 1, steps)
sys.exit(main(["engine", "faust", "--config", sys.argv[1]]))
"""


@pytest.mark.timeout(300)
def test_a_key_of_each_class_may_change_between_two_hosts_a_newer_release_goes_on_and_going_back_is_refused(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    sound = world.path.read_text()
    lives = ((sound, range(12), ""), (kafka_log.changed(sound), range(12, 24), ""), (sound, range(24, 36), NEWER))
    with kafka_world.bus(world.kafka, world._folder) as bus:
        progress = Progress(world.path, bus)
        for text, panes, release in lives:
            world.path.write_text(text)
            before = progress.scores()
            world.send(panes)
            world.hosts.start(release)
            until(lambda: progress.lag() == 0, "the host does not get on")
            until(lambda before=before: progress.scores() > before, "the host says nothing")
            assert world.hosts.processes[-1].poll() is None
            world.hosts.stop()
            world.hosts.processes.clear()
        assert world.hosts.start().wait(60) == 2
        world.hosts.processes.clear()
        ends = [(log, end) for log, (_, end) in bus.bounds("dead-letters").items()]
        dead = [outputs.decode(one.value) for log, end in ends for one in kafka_log.everything(bus, log, end)]
    reasons = {one.reason for one in dead if isinstance(one, outputs.DeadLetter)}
    assert "operator failed" not in reasons
    assert "unknown job" in reasons
    now = states.written("own")
    assert f"the state of the own has version {now + 1}, this release reads version {now}" in capfd.readouterr().err
