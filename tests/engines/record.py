"""Records the log that the conformance suite runs: five days of the flights demo with two faults, its ticks in it.

Run it when the wire format or the demo's workers change: `python -m tests.engines.record`.
"""

from __future__ import annotations

import lzma
import tempfile
from pathlib import Path

import msgspec

from streamgauge.examples.flights import demo
from streamgauge.tracer.local.log import LocalLog

HERE = Path(__file__).parent
LOG = HERE / "flights.msgpack.xz"
FAULTS = HERE / "faults.toml"


def main() -> None:
    """Replay the flights, and keep what the jobs' log holds."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--headless", "--speed", "max", "--port", "0", "--data", folder]
        demo.main([*options, "--until", "2013-01-06", "--truth", str(FAULTS)])
        keep(Path(folder) / "log.db")


def keep(log: Path) -> None:
    """Pack the values of `traces`, in order."""
    bus = LocalLog(log)
    values = [message.value for message in bus.read("traces", 0, 10**6)]
    bus.close()
    LOG.write_bytes(lzma.compress(msgspec.msgpack.encode(values)))


if __name__ == "__main__":
    main()
