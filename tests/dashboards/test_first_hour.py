"""The page in a job's first hour: ranges that fit it, what is compared, and that it is learning; run in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

JS = Path(__file__).parents[2] / "dashboards" / "web" / "js"


def told(module: str, expression: str) -> Any:
    """What an expression over the names of a module of the page gives."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = f"import * as m from {json.dumps((JS / module).as_uri())}; console.log(JSON.stringify({expression}));"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", script], capture_output=True, text=True, check=True, timeout=30
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("short", "age", "name"),
    [(60, 300, "15m"), (60, 2_000, "1h"), (60, 10**7, "1h"), (10_800, 10**7, "7d"), (3_600, 10**5, "7d")],
)
def test_a_job_is_first_shown_by_a_range_that_fits_its_windows_and_its_age(short: int, age: int, name: str) -> None:
    assert told("state.js", f"m.usualRange({short}, {age})") == name


def test_a_young_job_is_compared_with_its_own_first_half() -> None:
    young = told("state.js", "m.compared({ start: 0, end: 3600, isRelative: true }, 1800)")
    assert young == {"start": 2_700, "end": 3_600}
    old = told("state.js", "m.compared({ start: 7200, end: 10800, isRelative: true }, 0)")
    assert old == {"start": 7_200, "end": 10_800}


def test_the_word_of_a_job_is_learning_before_anything_is_known() -> None:
    row = {"job": "ctr", "score": 100, "band": "learning", "coverage": 1, "last_data": 60, "end": 60, "first": 60}
    row |= {"warm_up": {"phase": "learning", "until": 1_800}}
    about = {"jobs": [{"name": "ctr", "slide": 60, "warm_up": 1_209_600, "is_own": False}]}
    (found,) = told("jobs.js", f"m.judged([{json.dumps(row)}], {json.dumps(about)}, 90)")
    assert (found["state"], found["word"], found["learning"]) == ("learning", "learning", 1_740)
    shown = [told("jobs.js", f"m.shownScore({json.dumps(found)}, {score})") for score in (100.0, 76.0, 40.0)]
    assert shown == [None, None, 40.0]  # a number would say that it is well; what is wrong by itself is told


def test_features_that_state_one_fact_are_named_together() -> None:
    def one(node: str, metric: str = "missing_rate", decision: str = "grouped") -> dict[str, Any]:
        return {"alert": {"node": node, "metric": metric}, "reason": {"decision": decision}}

    beside = [one(f"feature:{name}") for name in "bcd"]
    others = [one("feature:e", "psi"), one("feature:f@w1"), one("train", decision="inhibited")]
    root = {"node": "feature:a", "metric": "missing_rate"}
    said = [
        told("places.js", f"m.placeOf({json.dumps({'root': root, 'suppressed': suppressed})})")
        for suppressed in ([*beside, *others], others)
    ]
    assert said == ["4 features (a, b, c and 1 more)", "feature a"]
