"""A real Apache Kafka (KRaft, each node broker and controller) on loopback, for tests and by hand.

`python -m tests.servers.kafka` starts one broker, prints its bootstrap address and stops it at Ctrl-C; `--brokers 3`
starts three. Jars come from Maven once (see `jars`). Retention and compaction run every 200 ms, so that tests see them.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.by_hand import serve
from tests.servers.jars import fetch
from tests.servers.ports import free_port

READY_S: Final = 90.0
CLUSTER_ID: Final = "c3RyZWFtZ2F1Z2UtdGVzdA"  # 16 bytes in URL-safe base64
JAVA: Final = (
    "java", "-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)  # fmt: skip
QUICK: Final = {
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "4000",
    "controller.quorum.election.timeout.ms": "1000",
    "controller.quorum.fetch.timeout.ms": "2000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.retention.check.interval.ms": "200",
    "log.segment.delete.delay.ms": "100",
    "num.io.threads": "4",
    "num.network.threads": "2",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.num.partitions": "1",
}


class KafkaServers:
    """Brokers 0 .. n-1 with their data in `folder`, started by the constructor.

    `protocol` is what clients speak (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL); `properties` are added to
    server.properties (key stores, mechanisms: prefix them with `listener.name.client.`). Between themselves the
    brokers speak PLAINTEXT, also at `internal`.
    """

    def __init__(
        self,
        folder: Path,
        brokers: int = 1,
        protocol: str = "PLAINTEXT",
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._classpath = f"{fetch('kafka-pom.xml')}/*"
        self._ports = [(free_port(), free_port(), free_port()) for _ in range(brokers)]  # client, internal, controller
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        for node in range(brokers):
            self._write_properties(node, protocol, properties or {})
        self._format()
        try:
            for node in range(brokers):
                self._spawn(node)
            self.wait()
        except BaseException:
            self.stop()
            raise

    @property
    def bootstrap(self) -> str:
        """Where clients connect: host:port, separated by commas."""
        return ",".join(f"127.0.0.1:{client}" for client, _, _ in self._ports)

    @property
    def internal(self) -> str:
        """The brokers' own PLAINTEXT addresses, for administration beside a secured listener."""
        return ",".join(f"127.0.0.1:{internal}" for _, internal, _ in self._ports)

    def create(self, *topics: str, partitions: int = 1, copies: int = 1, **settings: str) -> None:
        """Make topics, known to every broker; settings are Kafka's with _ for each dot: cleanup_policy="compact"."""
        config = {name.replace("_", "."): value for name, value in settings.items()}
        admin = self._admin()  # kept while it is asked: its answers end with it
        made = admin.create_topics([NewTopic(topic, partitions, copies, config=config) for topic in topics])
        for answer in made.values():
            answer.result(READY_S)
        self._await(lambda known: known >= set(topics))

    def delete(self, *topics: str) -> None:
        """Delete topics; no broker knows them any more."""
        admin = self._admin()
        for answer in admin.delete_topics(list(topics)).values():
            answer.result(READY_S)
        self._await(lambda known: not known & set(topics))

    def kill(self, node: int = 0) -> None:
        """SIGKILL one broker, and wait until it is gone."""
        process = self._processes.pop(node)
        process.kill()
        process.wait()

    def start(self, node: int = 0, *, wait: bool = True) -> None:
        """Start a broker that was killed, on its old ports and data."""
        self._spawn(node)
        if wait:
            self.wait()

    def stop(self) -> None:
        """Take all brokers down; their data stay in `folder`."""
        for process in self._processes.values():
            process.send_signal(signal.SIGKILL)  # an orderly stop takes seconds, and the data are thrown away
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def wait(self) -> None:
        """Wait until every broker that was started answers, is known to the others and leads partitions again.

        Raises RuntimeError with the end of the log when one has died or does not answer in time.
        """
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            for node, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"broker {node} ended with {process.returncode}: {self._log(node)}")
            if self._is_ready():
                return
            time.sleep(0.1)
        raise RuntimeError(f"no answer from Kafka in {READY_S:.0f} s: {self._log(0)}")

    def _is_ready(self) -> bool:
        up = {self._ports[node][1] for node in self._processes}
        try:
            cluster = self._admin().list_topics(timeout=2)
        except KafkaException:
            return False
        led = all(part.leader != -1 for topic in cluster.topics.values() for part in topic.partitions.values())
        return led and {broker.port for broker in cluster.brokers.values()} >= up

    def _admin(self, *nodes: int) -> AdminClient:
        """A client of these brokers, or of all that run."""
        addresses = ",".join(f"127.0.0.1:{self._ports[node][1]}" for node in nodes or sorted(self._processes))
        return AdminClient({"bootstrap.servers": addresses, "log_level": 0})

    def _await(self, condition: Callable[[set[str]], bool]) -> None:
        """Wait until it holds for the topics with leaders that each running broker knows."""
        for node in self._processes:
            admin, deadline = self._admin(node), time.monotonic() + READY_S
            while not condition(_led(admin)):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"broker {node} does not hear of its topics: {self._log(node)}")
                time.sleep(0.02)

    def _write_properties(self, node: int, protocol: str, properties: Mapping[str, str]) -> None:
        client, internal, controller = self._ports[node]
        copies = str(min(3, len(self._ports)))
        in_sync = str(min(2, len(self._ports)))
        voters = ",".join(f"{i}@127.0.0.1:{ports[2]}" for i, ports in enumerate(self._ports))
        lines = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INTERNAL",
            "listeners": ",".join(
                f"{name}://127.0.0.1:{port}"
                for name, port in (("CLIENT", client), ("INTERNAL", internal), ("CONTROLLER", controller))
            ),
            "advertised.listeners": f"CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal}",
            "listener.security.protocol.map": f"CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / f"data-{node}"),
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            "min.insync.replicas": in_sync,
            **QUICK,
            **properties,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        (self.folder / f"server-{node}.properties").write_text(text)

    def _format(self) -> None:
        tools = [
            subprocess.Popen(
                [*JAVA, "-cp", self._classpath, "kafka.tools.StorageTool", "format", "--ignore-formatted",
                 "-t", CLUSTER_ID, "-c", str(self.folder / f"server-{node}.properties")],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for node in range(len(self._ports))
        ]  # fmt: skip
        for tool in tools:
            said = tool.communicate()[0].decode()
            if tool.returncode:
                raise RuntimeError(f"Kafka's storage tool failed: {said[-2000:]}")

    def _spawn(self, node: int) -> None:
        if node in self._processes:
            raise RuntimeError(f"broker {node} runs already")
        properties = str(self.folder / f"server-{node}.properties")
        with (self.folder / f"broker-{node}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [*JAVA, "-cp", self._classpath, "kafka.Kafka", properties],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _log(self, node: int) -> str:
        return (self.folder / f"broker-{node}.log").read_text(errors="replace")[-3000:]


def _led(admin: AdminClient) -> set[str]:
    topics = admin.list_topics(timeout=READY_S).topics.items()
    return {name for name, topic in topics if all(part.leader != -1 for part in topic.partitions.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description="Start a real Apache Kafka on loopback until Ctrl-C.")
    parser.add_argument("--brokers", type=int, default=1)
    count = parser.parse_args().brokers

    def start(folder: Path) -> tuple[KafkaServers, str]:
        servers = KafkaServers(folder, count)
        return servers, servers.bootstrap

    serve("kafka", start)


if __name__ == "__main__":
    main()
