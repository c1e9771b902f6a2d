"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import sys
from typing import Final

NAMES: Final = ("aggregate", "detect", "profile", "tracer", "latency", "bridge", "demo", "page", "engines", "scale")


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark, or `all`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog="example: python -m benchmarks detect --json"
    )
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--data", type=pathlib.Path, help="folder with labelled series, where a benchmark can use one")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    args = parser.parse_args(argv)
    for name in NAMES if args.name == "all" else (args.name,):
        for row in importlib.import_module(f"benchmarks.{name}").run(args):
            print(json.dumps(row) if args.json else _line(row), flush=True)
    return 0


def _line(row: dict[str, object]) -> str:
    ratio = row.get("ratio")
    against = f"   {ratio:.3g} x {row['rival']}" if isinstance(ratio, float) else ""
    value = row["value"]
    return f"{row['name']:<36} {value:>12.5g} {row['unit']}{against}" if isinstance(value, float) else f"{row}"


if __name__ == "__main__":
    sys.exit(main())
