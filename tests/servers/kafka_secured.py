"""Fixtures: `secured`, a broker that speaks TLS and wants a password, and `certificates`, made with openssl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServers

PASSWORD: Final = "correct-horse"
SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
SASL: Final = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "streamgauge"}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, a key and certificate for 127.0.0.1 in broker.pem, and other.pem, an authority that signed none."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    new = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj"
    openssl(folder, f"{new} /CN=authority -keyout ca.key -out ca.pem")
    openssl(folder, f"{new} /CN=another -keyout other.key -out other.pem")
    openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=broker -keyout broker.key -out broker.csr")
    (folder / "names").write_text("subjectAltName = IP:127.0.0.1\n")
    sign = "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out broker.crt"
    openssl(folder, sign)
    (folder / "broker.pem").write_text((folder / "broker.key").read_text() + (folder / "broker.crt").read_text())
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "wrong").write_text("battery-staple")
    return folder


def openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def secured(kafka_jars: None, certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServers]:
    """A broker of its own; what asks for it without TLS and a password may use `internal`."""
    from tests.servers.kafka import KafkaServers  # needs confluent-kafka, which only tests of Kafka have to have

    listener = "listener.name.client"
    properties = {
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": str(certificates / "broker.pem"),
        f"{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{SCRAM} required;",
        f"{listener}.plain.sasl.jaas.config": f'{PLAIN} required user_streamgauge="{PASSWORD}";',
    }
    servers = KafkaServers(tmp_path_factory.mktemp("secured"), protocol="SASL_SSL", properties=properties)
    try:
        servers.create("traces")
        servers.create("control", cleanup_policy="compact")
        yield servers
    finally:
        servers.stop()
