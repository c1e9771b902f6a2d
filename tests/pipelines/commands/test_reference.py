"""The reference of the command line is what the grammar says, and leaves nothing out."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamgauge.pipelines.commands.reference import reference
from streamgauge.pipelines.grammar import parser

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "python -m streamgauge.pipelines.commands.reference > docs/cli.md"


def test_every_command_and_every_option_is_in_it_with_a_text() -> None:
    text = reference()
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        assert f"## `streamgauge {name}`" in text
        for action in command._actions:
            if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction):
                assert action.help, f"{name} {action.dest} has no help"
                assert all(f"`{option}" in text for option in action.option_strings if option not in ("-h", "--help"))
