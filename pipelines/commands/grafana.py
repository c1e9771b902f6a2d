"""The command `grafana`: the dashboards as files to provision, or published to a running Grafana."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Final

from streamgauge.pipelines.cli import UseError

_TOKEN: Final = "STREAMGAUGE_GRAFANA_TOKEN"
_STORE_TOKEN: Final = "STREAMGAUGE_INFLUX_TOKEN"


def grafana(args: argparse.Namespace) -> int:
    """Write or publish."""
    try:
        import grafana_foundation_sdk  # noqa: F401
    except ImportError:
        raise UseError("the dashboards need grafana-foundation-sdk: pip install 'streamgauge[grafana]'") from None
    return {"write": _write, "publish": _publish}[args.action](args)


def _write(args: argparse.Namespace) -> int:
    """The tree that Grafana mounts: `provisioning/` and `json/`."""
    import streamgauge.dashboards.grafana
    from streamgauge.dashboards.grafana.catalogue import write

    folder: Path = args.folder
    try:
        provisioning = Path(streamgauge.dashboards.grafana.__file__).parent / "provisioning"
        shutil.copytree(provisioning, folder / "provisioning", dirs_exist_ok=True)
        written = write(folder / "json", _page(args.page))
    except OSError as error:
        raise UseError(f"{folder} cannot be written to: {error.strerror or error}") from None
    print(f"{len(written)} dashboards and their provisioning files are in {folder}")
    return 0


def _publish(args: argparse.Namespace) -> int:
    from streamgauge.dashboards.grafana.catalogue import dashboards
    from streamgauge.dashboards.grafana.publishing import Grafana, PublishError
    from streamgauge.dashboards.grafana.sources import Source

    source = Source(args.influx, args.bucket, _secret(args.influx_token_file, _STORE_TOKEN))
    token = _secret(args.token_file, _TOKEN)
    if not token:
        raise UseError(f"publishing needs the token of a service account: --token-file, or {_TOKEN} in the environment")
    try:
        there = Grafana(args.url, token, patience=args.wait)
        for done in there.publish(source, dashboards(_page(args.page))):
            print(f"{done.kind} {done.uid}: {done.what}")
        closed = there.reaches_store(source)
    except PublishError as error:
        raise UseError(str(error)) from None
    if closed:
        raise UseError(f"the dashboards are there, but Grafana does not reach InfluxDB at {args.influx}: {closed}")
    print(f"{args.url.rstrip('/')}/d/streamgauge-overview")
    return 0


def _page(address: str) -> str:
    """The address of the live page, that of the default configuration if none is given."""
    from streamgauge.dashboards.grafana.variables import PAGE

    if address and not address.startswith(("http://", "https://")):
        raise UseError(f"the address of the live page begins with http:// or https://, got {address!r}")
    return address.rstrip("/") or PAGE


def _secret(file: Path | None, variable: str) -> str:
    """One line from a file, or else from the environment; "" if there is neither."""
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UseError(f"no token can be read from {file}: {error}") from None
    if not text or not text.isascii() or len(text.split()) != 1:
        raise UseError(f"{file} must hold a token, and nothing else, on one line")
    return text
