"""What must hold of who is told: `[[notifiers]]` and `public_url`; pure."""

from __future__ import annotations

import re
import urllib.parse
from collections import Counter
from collections.abc import Iterator

from streamgauge.pipelines.config.faults import Fault, suggestion
from streamgauge.pipelines.config.schema import Config, Receiver

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
_SCHEMES = {"email": ("smtp", "smtps")}
_WEB = ("http", "https")


def faults_of(config: Config) -> Iterator[Fault]:
    """Every fault of who is told."""
    if config.public_url and not _is_address(config.public_url, _WEB):
        yield Fault("public_url", f"must be an http or https address, got {config.public_url!r}")
    for name, count in Counter(one.name for one in config.notifiers).items():
        if count > 1:
            yield Fault("notifiers", f"{name!r} is there {count} times; names must be unique")
    for i, one in enumerate(config.notifiers):
        yield from _receiver_faults(one, f"notifiers[{i}]", {job.name for job in config.jobs})


def _receiver_faults(one: Receiver, at: str, jobs: set[str]) -> Iterator[Fault]:
    if not _NAME.fullmatch(one.name):
        yield Fault(f"{at}.name", f"must be 1-60 letters, digits, '.', '_', '-', got {one.name!r}")
    schemes = _SCHEMES.get(one.kind, _WEB)
    if not (one.kind == "pagerduty" and not one.url) and not _is_address(one.url, schemes):
        yield Fault(f"{at}.url", f"must be an address with {' or '.join(schemes)}, got {one.url!r}")
    if one.kind == "pagerduty" and not one.secret_file:
        yield Fault(f"{at}.secret_file", "must name a file with the routing key of the service")
    if one.kind == "email":
        for field, addresses in (("sender", (one.sender,)), ("to", one.to)):
            wrong = [address for address in addresses if not _ADDRESS.fullmatch(address)]
            if wrong or not addresses:
                yield Fault(f"{at}.{field}", f"must be a mail address, got {wrong[0] if wrong else 'none'!r}")
    if not one.severities:
        yield Fault(f"{at}.severities", 'must name at least one; leave it out for ["page", "page-now"]')
    for name in sorted(set(one.jobs) - jobs):
        yield Fault(f"{at}.jobs", f"no job {name!r} is configured{suggestion(name, jobs)}")


def _is_address(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
