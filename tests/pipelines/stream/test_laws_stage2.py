"""The laws hold with the real second stage behind the operator, not only with one that lets everything through."""

from __future__ import annotations

from random import Random

import pytest

from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.stream.operators import Operator
from streamgauge.pipelines.stream.stage2 import Stage2
from tests.pipelines.stream import laws, logs


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("law", [laws.one_log_gives_one_answer, laws.interleaving_does_not_show])
def test_a_law_holds_with_the_real_second_stage(law: object, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(config: JobConfig) -> Operator:
        return Operator(config, Stage2(config))

    monkeypatch.setattr(logs, "operator", operator)
    monkeypatch.setattr(laws, "operator", operator)
    assert callable(law)
    law(Random(seed))
