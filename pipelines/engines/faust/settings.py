"""How aiokafka and Faust are told to reach the brokers: librdkafka's settings in their words, where they have any."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

from streamgauge.tracer.kafka.settings import KafkaSettings, SettingsError, client_settings

_TLS: Final = (
    "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
)  # fmt: skip
_SASL: Final = ("sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password")
_TAKEN: Final = frozenset({"bootstrap.servers", "client.id", "security.protocol", *_TLS, *_SASL})
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def connection(given: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client is made with.

    >>> connection(KafkaSettings(bootstrap="127.0.0.1:9092"))["security_protocol"]
    'PLAINTEXT'

    Raises:
        SettingsError: settings that Faust has no word for, or files that cannot be read.
    """
    settings = client_settings(given)
    unknown = sorted(settings.keys() - _TAKEN)
    if unknown:
        names = ", ".join(f"kafka.settings.{name}" for name in unknown)
        raise SettingsError(f"{names}: Faust has no such setting; leave it out, or use engine embedded or flink")
    protocol = settings.get("security.protocol", "PLAINTEXT").upper()
    return {
        "bootstrap_servers": settings["bootstrap.servers"].split(","),
        "client_id": settings["client.id"],
        "security_protocol": protocol,
        "ssl_context": _context(settings) if protocol.endswith("SSL") else None,
        **(_login(settings) if protocol.startswith("SASL_") else {}),
    }


def broker_settings(connection: Mapping[str, Any]) -> dict[str, Any]:
    """The same in Faust's words."""
    import faust

    protocol, context = connection["security_protocol"], connection["ssl_context"]
    credentials: Any = None
    if protocol == "SSL":
        credentials = faust.SSLCredentials(context)
    elif protocol.startswith("SASL_"):
        credentials = faust.SASLCredentials(
            username=connection["sasl_plain_username"], password=connection["sasl_plain_password"],
            ssl_context=context, mechanism=connection["sasl_mechanism"],
        )  # fmt: skip
    return {
        "broker": [f"aiokafka://{address}" for address in connection["bootstrap_servers"]],
        "broker_client_id": connection["client_id"],
        "broker_credentials": credentials,
    }


def _context(settings: Mapping[str, str]) -> ssl.SSLContext:
    certificate, key = settings.get("ssl.certificate.location"), settings.get("ssl.key.location")
    try:
        context = ssl.create_default_context(cafile=settings.get("ssl.ca.location"))
        if certificate:
            context.load_cert_chain(certificate, key, settings.get("ssl.key.password"))
    except OSError as error:  # ssl.SSLError is one
        where = ", ".join(settings[name] for name in _TLS[:3] if name in settings)
        raise SettingsError(f"kafka.settings.ssl: {error} ({where}); name readable PEM files") from None
    context.check_hostname = settings.get("ssl.endpoint.identification.algorithm", "https") != "none"
    return context


def _login(settings: Mapping[str, str]) -> dict[str, str]:
    mechanism = settings.get("sasl.mechanism", settings.get("sasl.mechanisms", "")).upper()
    if mechanism not in _MECHANISMS:
        known = ", ".join(_MECHANISMS)
        text = f"the Faust engine knows {known}, got {mechanism!r}; use engine embedded or flink"
        raise SettingsError(f"kafka.settings.sasl.mechanism: {text}")
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": settings["sasl.username"],
        "sasl_plain_password": settings["sasl.password"],
    }
