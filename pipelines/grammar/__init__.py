"""The grammar of the command line: every command with its options, by what it works on; imports no pipeline."""

from __future__ import annotations

import argparse

from streamgauge.pipelines.grammar.arguments import Command, add, json
from streamgauge.pipelines.grammar.files import add_configuring, add_detect, add_profile, add_select, add_topology
from streamgauge.pipelines.grammar.hosting import add_flink, add_grafana, add_keeping, add_run, add_token, add_topics
from streamgauge.pipelines.grammar.on_call import (
    add_ab,
    add_answers,
    add_backtest,
    add_deciding,
    add_slices,
    add_tracing,
    add_watching,
)


def parser() -> argparse.ArgumentParser:
    """The whole grammar."""
    text = "Watches online-learning jobs: quality scores, detection, one page per root cause."
    top = argparse.ArgumentParser(prog="streamgauge", description=text)
    top.add_argument("--log-level", default="WARNING", choices=["DEBUG", "INFO", "WARNING", "ERROR"], help="(WARNING)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Command)
    add(
        commands, "demo", "replay a year of flights through a real job and watch it",
        example="streamgauge demo --speed max --until 2013-02-01",
    )  # fmt: skip
    for part in (
        add_run, add_keeping, add_token, add_topics, add_flink, add_grafana, add_configuring, add_detect, add_profile,
        add_select, add_topology, add_watching, add_deciding, add_ab, add_slices, add_backtest, add_tracing,
        add_answers,
    ):  # fmt: skip
        part(commands)
    json(add(commands, "version", "print the version", example="streamgauge version"))
    return top
