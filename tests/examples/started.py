"""Reads the blocks of `docs/getting-started.md`, runs one as a user would, and says what came of it."""

from __future__ import annotations

import re
from pathlib import Path

from streamgauge.tracer import codec
from streamgauge.tracer.local.log import LocalLog
from streamgauge.tracer.records import TraceBatch
from tests.places import ROOT

PAGE = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")


def blocks(language: str, heading: str = "") -> list[str]:
    """The blocks of a language below a heading; without one, those before the first."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading] if heading else parts[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(block: str, folder: Path) -> list[bytes]:
    """Run one beside the page's configuration, in this folder, which is the current one; the records that it sent."""
    (folder / "streamgauge.toml").write_text(blocks("toml")[0])
    exec(compile(block, "docs/getting-started.md", "exec"), {})
    log = LocalLog(folder / "streamgauge-data" / "log.db")
    found = [message.value for message in log.read("traces", 0, 10_000)]
    log.close()
    return found


def names(records: list[bytes]) -> set[tuple[str, str]]:
    """Every traced quantity with its entity, points and summaries."""
    batches = [record for record in map(codec.decode, records) if isinstance(record, TraceBatch)]
    points = {(name.name, name.entity) for batch in batches for name in codec.decode_names(batch.names)}
    return points | {(sketch.name, sketch.entity) for batch in batches for sketch in batch.sketches}
