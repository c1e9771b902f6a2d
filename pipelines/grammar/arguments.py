"""What several commands are given alike: how a command is added, its common options, and the types of arguments."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]


class Command(argparse.ArgumentParser):
    """A command whose options may stand between its positional arguments.

    argparse fills all positional ones with what stands before the first option: `topology import --from otel FILE` had
    no place for FILE.
    """

    _is_within = False

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """As argparse does, positional arguments after options."""
        has_actions = any(action.nargs == argparse.PARSER for action in self._get_positional_actions())
        if self._is_within or has_actions:
            return super().parse_known_args(args, namespace)
        self._is_within = True  # what it calls calls this again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_within = False


def add(commands: Commands, name: str, text: str, *, example: str) -> argparse.ArgumentParser:
    """A command with its help; the example is shown below it, and tests parse it."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=f"example: {example}"
    )
    return made


def config(command: argparse.ArgumentParser) -> None:
    """The configuration, and the data folder in its place."""
    command.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    command.add_argument("--data", help="folder of the log and the store, instead of the configured one")


def json(command: argparse.ArgumentParser) -> None:
    """The answer for a program."""
    command.add_argument("--json", action="store_true", help="as JSON")


def since(command: argparse.ArgumentParser) -> None:
    """How far back what is stored is read: a week, where nothing is said."""
    command.add_argument("--since", type=seconds, default=7 * 86400.0, help="how far back, such as 30d (7d)")


def seconds(text: str) -> float:
    """A duration such as `30m`, in seconds."""
    from streamgauge.pipelines.config.loading import duration

    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def finite(text: str) -> float:
    """A number that is neither infinite nor NaN."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number, got {text!r}")
    return value


def pair(text: str) -> tuple[str, str]:
    """Two words with an equals sign between them: METRIC=TAG."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def sigmas(text: str) -> float:
    """A finite number above zero."""
    value = finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value
