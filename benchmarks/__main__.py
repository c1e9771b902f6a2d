"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import pathlib
import sys
from typing import Final

from benchmarks import cpu
from benchmarks.rows import FIELDS, Row

NAMES: Final = (
    "aggregate", "detect", "profile", "tracer", "latency", "bridge", "demo", "page", "storm", "engines", "scale",
    "commit", "observe", "rates", "nab", "events", "evaluation", "lives", "tails", "selection", "budget",
    "categorical",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark, or `all`."""
    args = _parser().parse_args(argv)
    if args.list:
        print("\n".join(f"{name:<12} {said(name)}" for name in NAMES))
        return 0
    for name in NAMES if args.name == "all" else (args.name,):
        for row in importlib.import_module(f"benchmarks.{name}").run(args):
            _check(row)
            loaded = row | {"load": round(cpu.load(), 2)}  # another process on the machine can spoil a row
            print(json.dumps(loaded) if args.json else _line(loaded), flush=True)
    return 0


def said(name: str) -> str:
    """What a benchmark measures and against whom: the first sentence of its module, which is not imported for it."""
    text = pathlib.Path(__file__).with_name(f"{name}.py").read_text()
    return (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].replace("\n", " ")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog="example: python -m benchmarks detect --json"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", choices=(*NAMES, "all"))
    what.add_argument("--list", action="store_true", help="what each measures, and against whom")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--data", type=pathlib.Path, help="folder with labelled series, where a benchmark can use one")
    parser.add_argument("--results", type=pathlib.Path, help="folder for what is found in `--data`, a file each")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    return parser


def _check(row: Row) -> None:
    if tuple(row) != FIELDS:
        raise ValueError(f"a row has {', '.join(FIELDS)}, got {', '.join(row)}: make it with benchmarks.rows")


def _line(row: Row) -> str:
    ratio = row["ratio"]
    against = f"   {ratio:.3g} x {row['rival']}" if isinstance(ratio, float) else ""
    return f"{row['name']:<36} {row['value']:>12.5g} {row['unit']}{against}"


if __name__ == "__main__":
    sys.exit(main())
