"""Plays the job in stream time, hands its log to the pipeline, and prints what that found."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streamgauge.examples.easyrec import clicks
from streamgauge.pipelines.adapters.sqlite.query import SqliteQuery
from streamgauge.pipelines.cli import main as streamgauge
from streamgauge.pipelines.config.loading import load
from streamgauge.pipelines.service.stores import store_path
from streamgauge.tracer import codec, records
from streamgauge.tracer.local.log import LocalLog

START: Final = 1_764_331_200.0  # 2025-11-28 12:00 UTC
PANE: Final = 10.0
WORKERS: Final = ("w0", "w1")
SHOWN: Final = (
    "auc", "gauc", "gauc_share", "ndcg_at_k", "normalized_entropy", "pcoc", "log_loss", "label_rate", "volume",
    "missing_rate",
)  # fmt: skip
_MORE: Final = """
[jobs.minimum]  # the impressions hold 38 to 69 clicks, so at most as many users have one
gauc = 20
ndcg_at_k = 20

[jobs.labels]
horizon = "60s"
margin = "10s"
timeout = "120s"

[[jobs.windows]]
name = "short"
kind = "short"
length = 60
slide = 60

[[jobs.windows]]
name = "long"
kind = "long"
length = 600
slide = 60

[[jobs.windows]]
name = "wall"
kind = "wall"
length = 60
slide = 60
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The play; 0 where the pipeline gave the job a score."""
    args = _parser().parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    config = configured(args.folder)
    rows = clicks.read(args.clicks or clicks.fetched(args.folder / "clicks"))
    play(config, rows, args.minutes, args.missing)
    replayed = args.folder / "replayed"
    log = args.folder / "data" / "log.db"
    if streamgauge(["replay", "--log", str(log), "--config", str(config), "--data", str(replayed)]):
        return 1
    found = last_values(config, replayed)
    print(json.dumps(found, indent=2))
    streamgauge(["features", "--job", "easyrec", "--since", "1h", "--config", str(config), "--data", str(replayed)])
    return 0 if found else 1


def configured(folder: Path) -> Path:
    """The job's `streamgauge.toml`, made from its `pipeline.config` and its times."""
    path = folder / "streamgauge.toml"
    source = Path(__file__).with_name("pipeline.config")
    streamgauge(["init", "--from", str(source), "--job", "easyrec", "--out", str(path), "--force"])
    text = path.read_text(encoding="utf-8").replace('data = "./streamgauge-data"', f'data = "{folder.as_posix()}/data"')
    path.write_text(f'clock = "log"\n{text}{_MORE}', encoding="utf-8")
    return path


def play(config: Path, rows: clicks.Clicks, minutes: float, missing: str = "") -> None:
    """Turns of the workers, their records on the bus, then each pane's tick; `missing` is null in the second half."""
    from streamgauge.examples.easyrec.job import TURN, Worker

    (config.parent / "data").mkdir(exist_ok=True)
    log = LocalLog(config.parent / "data" / "log.db")
    workers = [Worker(config, name, rows, log, start=START) for name in WORKERS]
    turns = int(minutes * 60.0 / TURN)
    for turn in range(1, turns + 1):
        now = START + turn * TURN
        for worker in workers:
            worker.turn(now, missing if turn > turns / 2 else "")
        if now % PANE == 0.0:
            for worker in workers:
                worker.tracer.flush(30.0)
            tick = codec.encode(records.Tick(job="easyrec", time=now))
            log.send([("traces", records.key_of("easyrec", 0, 1), tick)])
    for worker in workers:
        worker.tracer.close()
    log.close()


def last_values(config: Path, data: Path) -> dict[str, float]:
    """The newest known value of what the example shows, of the job as a whole."""
    query = SqliteQuery(data / store_path(load(config)).name)
    try:
        rows = query.series("easyrec", {"worker": ""}, 5_000)
    finally:
        query.close()
    known = [row for row in rows if row["metric"] in SHOWN and row["value"] is not None]
    return {f"{row['metric']}{' ' if row['entity'] else ''}{row['entity']}": row["value"] for row in known}


def _parser() -> argparse.ArgumentParser:
    prog = "python -m streamgauge.examples.easyrec"
    parser = argparse.ArgumentParser(prog=prog, description="An EasyRec-shaped job, played and watched.")
    parser.add_argument("--folder", type=Path, default=Path("easyrec-played"), help="(easyrec-played)")
    parser.add_argument("--minutes", type=float, default=60.0, help="of stream time (60)")
    parser.add_argument("--missing", default="", metavar="FEATURE", help="null in the second half")
    parser.add_argument("--clicks", type=Path, metavar="CSV", help="the impressions (fetched from PyPI)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
