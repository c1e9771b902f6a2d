"""What Faust is told of the brokers, and what it cannot be told."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from streamgauge.tracer.kafka.settings import KafkaSettings, SettingsError

faust_settings = pytest.importorskip("streamgauge.pipelines.engines.faust.settings", reason="needs faust-streaming")


def given(password: Path | None = None, **settings: str) -> KafkaSettings:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return KafkaSettings(bootstrap="a:9092, b:9093", settings=named, password_file=str(password or ""))


def test_brokers_and_a_login_reach_faust(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    login = {"security_protocol": "sasl_ssl", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "ann"}
    made = faust_settings.connection(given(password, **login))
    assert made["bootstrap_servers"] == ["a:9092", "b:9093"]
    assert (made["security_protocol"], made["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (made["sasl_plain_username"], made["sasl_plain_password"]) == ("ann", "secret")
    assert made["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    told = faust_settings.broker_settings(made)
    assert told["broker"] == ["aiokafka://a:9092", "aiokafka://b:9093"]
    assert "secret" not in repr(told)


def test_names_are_not_checked_only_where_that_is_said() -> None:
    quiet = {"security_protocol": "SSL", "ssl_endpoint_identification_algorithm": "none"}
    assert not faust_settings.connection(given(**quiet))["ssl_context"].check_hostname
    assert faust_settings.connection(given(security_protocol="SSL"))["ssl_context"].check_hostname
    assert faust_settings.connection(given())["ssl_context"] is None


@pytest.mark.parametrize(("settings", "words"), [
    ({"socket_timeout_ms": "9"}, r"kafka\.settings\.socket\.timeout\.ms: Faust has no such setting; leave it out"),
    ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "knows PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, got"),
    ({"security_protocol": "SSL", "ssl_ca_location": __file__}, "test_settings.py.*; name readable PEM files"),
])  # fmt: skip
def test_what_faust_cannot_take_is_named(settings: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        faust_settings.connection(given(**settings))
