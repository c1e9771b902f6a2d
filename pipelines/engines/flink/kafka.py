"""The `[kafka]` settings, which are librdkafka's, in the words of the Java client that Flink's connector has inside.

Certificates and keys travel in the job as text, so a cluster needs no files of ours. What changes how brokers are
spoken to and has no counterpart is refused by name; what only tunes librdkafka (queues, buffers) is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from streamgauge.pipelines.config.schema import Config, Kafka
from streamgauge.pipelines.engines.flink.rest import FlinkError
from streamgauge.tracer.kafka.settings import KafkaSettings, SettingsError, client_settings

_SHADED: Final = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"
_SAME: Final = frozenset({
    "bootstrap.servers", "client.id", "client.rack", "linger.ms", "batch.size", "fetch.min.bytes", "fetch.max.bytes",
    "request.timeout.ms", "delivery.timeout.ms", "connections.max.idle.ms", "metadata.max.age.ms", "client.dns.lookup",
    "ssl.cipher.suites", "sasl.kerberos.service.name",
})  # fmt: skip
_RENAMED: Final = {
    "message.max.bytes": "max.request.size", "compression.codec": "compression.type",
    "compression.type": "compression.type", "reconnect.backoff.max.ms": "reconnect.backoff.max.ms",
    "reconnect.backoff.ms": "reconnect.backoff.ms", "queue.buffering.max.ms": "linger.ms",
    "message.timeout.ms": "delivery.timeout.ms",
}  # fmt: skip
_SECURITY: Final = ("security.", "ssl.", "sasl.", "enable.ssl.", "enable.sasl.", "https.")
_MODULES: Final = {
    "PLAIN": f"{_SHADED}.plain.PlainLoginModule", "SCRAM-SHA-256": f"{_SHADED}.scram.ScramLoginModule",
    "SCRAM-SHA-512": f"{_SHADED}.scram.ScramLoginModule",
}  # fmt: skip


def kafka_of(config: Config) -> Kafka:
    """The brokers of a configuration. Raises FlinkError where there are none."""
    if config.kafka is None:
        raise FlinkError("the flink engine reads Kafka; add [kafka] with bootstrap to the configuration")
    return config.kafka


def java_properties(given: KafkaSettings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the Java client is made with.

    >>> java_properties(KafkaSettings(bootstrap="127.0.0.1:9092", settings={"message.max.bytes": "2000000"}))
    {'client.id': 'streamgauge', 'max.request.size': '2000000', 'bootstrap.servers': '127.0.0.1:9092'}

    Raises:
        SettingsError: a fault of the settings, a secret that cannot be read, or one that Flink cannot follow.
    """
    left = client_settings(given, environment)
    properties: dict[str, str] = {}
    for take in (_protocol, _login, _trust, _identity):
        properties |= take(left)
    for name in list(left):
        if name in _SAME:
            properties[name] = left.pop(name)
        elif name in _RENAMED:
            properties[_RENAMED[name]] = left.pop(name)
    unknown = sorted(name for name in left if name.startswith(_SECURITY))
    if unknown:
        text = "has no counterpart in the Java client that Flink uses; leave it out, or use another engine"
        raise SettingsError(f"settings.{unknown[0]}: {text}")
    return properties


_Take = Callable[[dict[str, str]], dict[str, str]]  # takes what it understands out of the settings


def _protocol(left: dict[str, str]) -> dict[str, str]:
    protocol = left.pop("security.protocol", "")
    found = {"security.protocol": protocol.upper()} if protocol else {}
    algorithm = left.pop("ssl.endpoint.identification.algorithm", None)
    if algorithm is not None:
        found["ssl.endpoint.identification.algorithm"] = "" if algorithm == "none" else algorithm
    return found


def _login(left: dict[str, str]) -> dict[str, str]:
    mechanism = (left.pop("sasl.mechanism", "") or left.pop("sasl.mechanisms", "")).upper()
    if not mechanism:
        return {}
    if mechanism not in _MODULES:
        raise SettingsError(f"settings.sasl.mechanism: Flink runs with {', '.join(_MODULES)}, got {mechanism!r}")
    user, password = (_quoted(left.pop(name, "")) for name in ("sasl.username", "sasl.password"))
    login = f"{_MODULES[mechanism]} required username={user} password={password};"
    return {"sasl.mechanism": mechanism, "sasl.jaas.config": login}


def _trust(left: dict[str, str]) -> dict[str, str]:
    path, text = left.pop("ssl.ca.location", ""), left.pop("ssl.ca.pem", "")
    if not path and not text:
        return {}
    return {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": text or _read("ssl.ca.location", path)}


def _identity(left: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, java in (("certificate", "ssl.keystore.certificate.chain"), ("key", "ssl.keystore.key")):
        path, text = left.pop(f"ssl.{name}.location", ""), left.pop(f"ssl.{name}.pem", "")
        if path or text:
            found[java] = text or _read(f"ssl.{name}.location", path)
    if found:
        found["ssl.keystore.type"] = "PEM"
    if "ssl.key.password" in left:
        found["ssl.key.password"] = left.pop("ssl.key.password")
    return found


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings.{name}: cannot read {path}: {error}; name a readable PEM file") from None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
