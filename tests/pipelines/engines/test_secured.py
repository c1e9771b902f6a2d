"""`run` with each engine on brokers that speak TLS and want a password: the embedded log's answer."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'streamgauge[kafka]'")

from streamgauge.pipelines.adapters.sqlite.canonical import canonical_dump
from streamgauge.pipelines.config.schema import Kafka
from tests.pipelines.adapters.kafka import test_answer, world
from tests.pipelines.engines import kafka_log, test_kill
from tests.pipelines.engines.flink.world import QUICK
from tests.servers.kafka import KafkaServers
from tests.servers.kafka_secured import PASSWORD, SASL
from tests.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.mark.parametrize("engine", ["embedded", "faust", "flink"])
def test_run_on_brokers_that_want_a_password_ends_with_the_store_of_the_embedded_log(
    secured: KafkaServers, certificates: Path, tmp_path: Path, engine: str, flink_connector_jar: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("JVM_ARGS", QUICK)
    made = Kafka(bootstrap=secured.internal, prefix=f"{engine}.", partitions=3)
    world.make(made)
    kafka = msgspec.structs.replace(
        made, bootstrap=secured.bootstrap, settings=SASL | {"ssl.ca.location": str(certificates / "ca.pem")},
        password_file=str(certificates / "password"),
    )  # fmt: skip
    config, folder = _configured(tmp_path, kafka, engine), tmp_path / "data"
    process, address = test_answer.start(config, folder)
    try:
        with world.bus(kafka, tmp_path) as bus:
            bus.send([message for number in range(60) for message in test_kill.pane_of(number)])
            until(lambda: kafka_log.end(bus, "anomalies") > 0, "the engine says nothing")
        test_answer.drained(address)
    finally:
        test_answer.stop(process)
    said = canonical_dump(folder / "store.db")
    assert all(kind in said for kind in test_answer.KINDS)
    assert said.splitlines() == test_answer.steady(tmp_path, kafka).splitlines()
    written = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in text for text in written)


def _configured(folder: Path, kafka: Kafka, engine: str) -> Path:
    settings = "\n".join(f'"{name}" = "{value}"' for name, value in kafka.settings.items())
    path = folder / "streamgauge.toml"
    path.write_text(f"""engine = "{engine}"
{test_kill.CONFIG}
[kafka]
bootstrap = "{kafka.bootstrap}"
prefix = "{kafka.prefix}"
password_file = "{kafka.password_file}"
[kafka.settings]
{settings}
""")
    return path
