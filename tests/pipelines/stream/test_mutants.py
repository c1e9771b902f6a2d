"""Every rule of the stream is held by a law: with the rule broken, the law fails."""

from __future__ import annotations

import pytest

from tests.pipelines.stream.mutants import MUTANTS, Mutant, survives


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule.replace(" ", "_"))
def test_a_broken_rule_is_noticed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutant.owner, mutant.name, mutant.broken, raising=False)
    assert not survives(mutant), f"nothing notices that {mutant.rule!r} does not hold"


def test_without_a_mutant_nothing_is_killed() -> None:
    for killer in {mutant.killer for mutant in MUTANTS}:
        assert survives(Mutant("none", None, "", None, killer), examples=3), killer
