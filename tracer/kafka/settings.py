"""How a Kafka client is told where its brokers are and how to speak to them: for the tracer and the pipeline alike.

Settings are librdkafka's own, passed through (`security.protocol`, `ssl.ca.location`, `sasl.mechanism`, ...). A secret
stands in a file or in the environment, never in the configuration: `password_file` holds `sasl.password`, and any
secret setting may be written as `file:PATH` or `env:NAME`. Without either, the variable STREAMGAUGE_KAFKA_PASSWORD
holds the password.

SettingsError   settings that no client can be made with; the message names each, its value and the remedy
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

PASSWORD: Final = "STREAMGAUGE_KAFKA_PASSWORD"  # environment variable
MAX_PREFIX: Final = 100  # of a topic's 249 characters
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI")
_WITH_PASSWORD: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SECRETS: Final = frozenset(
    {"sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"}
)
_OURS: Final = frozenset(  # what the promises rest on: order, durability, the same partition as Java's client
    {
        "acks", "request.required.acks", "auto.offset.reset", "bootstrap.servers", "metadata.broker.list",
        "enable.auto.commit", "enable.auto.offset.store", "enable.idempotence", "enable.partition.eof", "group.id",
        "isolation.level", "max.in.flight", "max.in.flight.requests.per.connection", "partitioner", "transactional.id",
    }
)  # fmt: skip
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]*")


class SettingsError(ValueError):
    """Settings that no client can be made with."""


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which brokers, and how."""

    bootstrap: str  # host:port, several separated by commas
    prefix: str = ""  # of every topic's name
    settings: dict[str, str] = {}  # librdkafka's, by its names
    password_file: str = ""  # holds sasl.password


def client_settings(given: KafkaSettings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What both a producer and a consumer of librdkafka are made with; secrets are read now, so they can be renewed.

    >>> client_settings(KafkaSettings(bootstrap="127.0.0.1:9092"))["bootstrap.servers"]
    '127.0.0.1:9092'

    Raises:
        SettingsError: faults of the settings, all of them, or a secret that cannot be read.
    """
    faults = [f"{name}: {text}" for name, text in faults_of(given)]
    if faults:
        raise SettingsError("; ".join(faults))
    settings = {name: _revealed(name, value, environment) for name, value in given.settings.items()}
    if given.password_file:
        settings["sasl.password"] = _read("password_file", given.password_file)
    elif _needs_password(given) and "sasl.password" not in settings:
        settings["sasl.password"] = _revealed("sasl.password", f"env:{PASSWORD}", environment)
    return {"client.id": "streamgauge", **settings, "bootstrap.servers": _joined(given.bootstrap)}


def faults_of(given: KafkaSettings) -> Iterator[tuple[str, str]]:
    """(field, what is wrong and the remedy) of each fault that can be seen without reading a secret; pure.

    >>> list(faults_of(KafkaSettings(bootstrap="broker")))
    [('bootstrap', "must be host:port, several separated by commas, got 'broker'")]
    """
    yield from _bootstrap_faults(given.bootstrap)
    if not _PREFIX.fullmatch(given.prefix) or len(given.prefix) > MAX_PREFIX:
        yield "prefix", f"must be at most {MAX_PREFIX} letters, digits, '.', '_', '-', got {given.prefix!r}"
    for name, value in given.settings.items():
        if name in _OURS:
            yield f"settings.{name}", "is set by streamgauge, which promises order and no loss; leave it out"
        elif name in _SECRETS and not value.startswith(("file:", "env:")):
            yield f"settings.{name}", 'is a secret; write "file:PATH" or "env:NAME" in its place'
    yield from _security_faults(given)


def _bootstrap_faults(bootstrap: str) -> Iterator[tuple[str, str]]:
    for address in _joined(bootstrap).split(","):
        match = _ADDRESS.fullmatch(address)
        if match is None:
            yield "bootstrap", f"must be host:port, several separated by commas, got {bootstrap!r}"
            return
        if not 1 <= int(match[2]) <= 65_535:
            yield "bootstrap", f"the port of {address!r} must be in 1..65535"


def _security_faults(given: KafkaSettings) -> Iterator[tuple[str, str]]:
    settings = given.settings
    protocol = settings.get("security.protocol", "PLAINTEXT")
    if protocol.upper() not in _PROTOCOLS:
        yield "settings.security.protocol", f"must be one of {', '.join(_PROTOCOLS)}, got {protocol!r}"
        return
    if not protocol.upper().startswith("SASL_"):
        names = sorted(name for name in settings if name.startswith("sasl."))
        if names or given.password_file:
            where = f"settings.{names[0]}" if names else "password_file"
            yield where, f'has no effect with security.protocol {protocol}; set it to "SASL_SSL" or "SASL_PLAINTEXT"'
        return
    mechanism = _mechanism(given)
    if mechanism not in _MECHANISMS:
        yield "settings.sasl.mechanism", f"must be one of {', '.join(_MECHANISMS)}, got {mechanism!r}"
    elif mechanism in _WITH_PASSWORD and not settings.get("sasl.username"):
        yield "settings.sasl.username", f"missing; {mechanism} needs a user name"
    if given.password_file and "sasl.password" in settings:
        yield "password_file", "and settings.sasl.password both name the password; keep one"


def _mechanism(given: KafkaSettings) -> str:
    return given.settings.get("sasl.mechanism", given.settings.get("sasl.mechanisms", "")).upper()


def _needs_password(given: KafkaSettings) -> bool:
    protocol = given.settings.get("security.protocol", "").upper()
    return protocol.startswith("SASL_") and _mechanism(given) in _WITH_PASSWORD


def _revealed(name: str, value: str, environment: Mapping[str, str]) -> str:
    """The value itself, or for a secret what its file or variable holds."""
    if name not in _SECRETS:
        if name.endswith(".location") and value not in ("", "probe") and not os.access(value, os.R_OK):
            raise SettingsError(f"settings.{name}: cannot read {value!r}; name a readable file")
        return value
    kind, _, where = value.partition(":")
    if kind == "file":
        return _read(f"settings.{name}", where)
    if not environment.get(where):
        raise SettingsError(f"settings.{name}: the environment variable {where} is not set; set it, or name a file")
    return environment[where]


def _read(name: str, path: str) -> str:
    try:
        secret = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: cannot read {path}: {error}; name a readable text file") from None
    if not secret:
        raise SettingsError(f"{name}: {path} is empty; write the secret into it")
    return secret


def _joined(bootstrap: str) -> str:
    return ",".join(address.strip() for address in bootstrap.split(","))
