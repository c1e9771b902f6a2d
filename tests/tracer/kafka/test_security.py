"""TLS and SASL against a real broker with certificates that openssl made; secrets that never show."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from streamgauge.tracer.kafka.settings import KafkaSettings, SettingsError, client_settings
from streamgauge.tracer.kafka.transport import KafkaTransport
from streamgauge.tracer.transport import LogError
from tests.servers.kafka import KafkaServers
from tests.servers.kafka_secured import PASSWORD, SASL
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.real


def made(servers: KafkaServers, ca: Path, password: Path, patience: float = 1.0) -> KafkaTransport:
    settings = SASL | {"ssl.ca.location": str(ca)}
    return KafkaTransport(servers.bootstrap, settings=settings, password_file=str(password), patience=patience)


def test_records_travel_over_tls_with_a_password(secured: KafkaServers, certificates: Path) -> None:
    transport = made(secured, certificates / "ca.pem", certificates / "password", PATIENCE_S)
    transport.send([("traces", "j", b"1"), ("control", "a", b"2")])
    assert [message.value for message in transport.read("traces", 0, 10)] == [b"1"]
    assert transport.latest("control") == {"a": b"2"}
    transport.close()


def test_a_scram_user_is_let_in(secured: KafkaServers, certificates: Path) -> None:
    admin = AdminClient({"bootstrap.servers": secured.internal, "log_level": 0})
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    made = admin.alter_user_scram_credentials([UserScramCredentialUpsertion("scram", info, b"a secret")])
    made["scram"].result(PATIENCE_S)
    (certificates / "scram").write_text("a secret")
    settings = SASL | {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "scram"}
    settings["ssl.ca.location"] = str(certificates / "ca.pem")
    transport = KafkaTransport(
        secured.bootstrap, settings=settings, password_file=str(certificates / "scram"), patience=PATIENCE_S
    )
    transport.send([("control", "scram", b"2")])
    assert transport.latest("control")["scram"] == b"2"
    transport.close()


@pytest.mark.parametrize(
    ("ca", "password", "why"),
    [("ca.pem", "wrong", "Authentication failed"), ("other.pem", "password", "certificate verify failed")],
)
def test_a_refusal_is_told_with_its_cause_and_without_the_secret(
    secured: KafkaServers, certificates: Path, ca: str, password: str, why: str
) -> None:
    transport = made(secured, certificates / ca, certificates / password)
    text = told(lambda: transport.send([("traces", "j", b"x")]), why) + told(lambda: transport.latest("control"), why)
    assert PASSWORD not in text and "battery-staple" not in text
    transport.close()


def test_plain_text_to_a_tls_port_is_told(secured: KafkaServers) -> None:
    transport = KafkaTransport(secured.bootstrap, patience=1.0)
    assert "PLAINTEXT" in told(
        lambda: transport.send([("traces", "j", b"x")]), "or speak another security.protocol than"
    )
    transport.close()


def told(call: Callable[[], object], why: str) -> str:
    """What a call says as soon as it says why."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with pytest.raises(LogError) as caught:
            call()
        assert caught.value.retryable
        text = str(caught.value)
        if why in text:
            return text
        assert time.monotonic() < deadline, text


def test_a_password_comes_from_its_file_or_from_the_environment(certificates: Path) -> None:
    given = KafkaSettings(bootstrap="a:1", settings=SASL, password_file=str(certificates / "password"))
    assert client_settings(given, {})["sasl.password"] == PASSWORD
    environment = {"STREAMGAUGE_KAFKA_PASSWORD": "one", "MINE": "two"}
    assert client_settings(KafkaSettings(bootstrap="a:1", settings=SASL), environment)["sasl.password"] == "one"
    named = KafkaSettings(bootstrap="a:1", settings=SASL | {"sasl.password": "env:MINE"})
    assert client_settings(named, environment)["sasl.password"] == "two"


def test_a_secret_that_is_not_there_is_told_with_its_remedy(tmp_path: Path) -> None:
    for given, fault in (
        (KafkaSettings(bootstrap="a:1", settings=SASL), "STREAMGAUGE_KAFKA_PASSWORD is not set"),
        (KafkaSettings(bootstrap="a:1", settings=SASL, password_file=str(tmp_path / "none")), "cannot read"),
    ):
        with pytest.raises(SettingsError, match=fault):
            client_settings(given, {})
    (tmp_path / "empty").touch()
    with pytest.raises(SettingsError, match="is empty; write the secret into it"):
        client_settings(KafkaSettings(bootstrap="a:1", settings=SASL, password_file=str(tmp_path / "empty")), {})
