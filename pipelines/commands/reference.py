"""The reference of the command line, `docs/cli.md`: made from the grammar itself, so nothing is missing in it.

`python -m streamgauge.pipelines.commands.reference > docs/cli.md`; a test holds it up to date.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from streamgauge.pipelines.grammar import parser

Command = tuple[str, argparse.ArgumentParser]
_HEAD: Final = """\
# Command line

Made by `python -m streamgauge.pipelines.commands.reference > docs/cli.md`; a test holds it up to date.

Exit codes: 0 done; 1 done, and something was found wrong (a plan that a worker rejected, a difference between two
files); 2 a fault of use, told in one line with its remedy; 130 Ctrl-C. Lengths of time are written as `90s`, `30m`,
`2h`, `7d`. `--json` prints one JSON value on standard output; what is for people goes to standard error.
"""


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *(line for name, one in _commands(parser()) for line in _section(name, one))]) + "\n"


def _commands(top: argparse.ArgumentParser, prefix: str = "streamgauge") -> Iterator[Command]:
    """Each command and each of its actions, in the order of the help."""
    for action in top._actions:  # argparse tells its grammar nowhere else
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield f"{prefix} {name}", one
                yield from _commands(one, f"{prefix} {name}")


def _section(name: str, one: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield f"{_sentence(one.description or '')}\n"
    example = (one.epilog or "").removeprefix("example: ")
    if example:
        yield f"```\n{example}\n```\n"
    rows = [action for action in one._actions if _is_shown(action)]
    if rows:
        yield "| argument | what |\n|---|---|"
        yield from (f"| {_names(action)} | {_help(action)} |" for action in rows)
        yield ""


def _is_shown(action: argparse.Action) -> bool:
    is_of_argparse = isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    return action.help != argparse.SUPPRESS and not is_of_argparse


def _names(action: argparse.Action) -> str:
    value = ""
    if action.nargs != 0:
        shown = "\\|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
        value = f" {shown}" + (" ..." if action.nargs in ("+", "*") else "")
    if not action.option_strings:
        return f"`{value.strip()}`"
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("|", "\\|")
    return ("required; " if action.required and action.option_strings else "") + text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


if __name__ == "__main__":
    print(reference(), end="")
