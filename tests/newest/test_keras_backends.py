"""Keras on JAX and on PyTorch: the values of each step, though they are not in the variables while `fit` runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["jax", "torch"])
def cases(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What every case told on one backend, in a process of its own."""
    environ = {**os.environ, "KERAS_BACKEND": request.param, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.newest.fit"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=280, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert lines, done.stderr[-3000:]
    read: dict[str, Any] = json.loads(lines[0][5:])
    return read


def test_each_step_has_its_own_loss_and_rows(cases: dict[str, Any]) -> None:
    traced = cases["traced"]
    assert not traced["faults"]
    assert (traced["steps"], traced["rows"], len(traced["loss"])) == ([6.0], [96.0], 6)
    assert np.mean(traced["loss"]) == pytest.approx(cases["plain"]["epoch"], rel=1e-5)
    assert len(set(traced["loss"])) == 6


def test_weights_are_those_of_a_training_without_a_tracer(cases: dict[str, Any]) -> None:
    np.testing.assert_allclose(cases["traced"]["kernel"], cases["plain"]["kernel"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(cases["third"]["kernel"], cases["plain"]["kernel"], rtol=1e-5, atol=1e-7)


def test_tensors_are_those_of_the_step(cases: dict[str, Any]) -> None:
    traced, raw = cases["traced"], cases["traced"]["raw"]
    weights, gradients, updates = (np.array(raw[kind]) for kind in ("weights", "gradients", "updates"))
    assert len(weights) == len(gradients) == len(updates) == 6
    np.testing.assert_allclose(updates, -0.5 * gradients, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(weights[1:], weights[:-1] + updates[1:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights[-1], traced["kernel"], rtol=1e-6)
    assert traced["gradient"] == pytest.approx([np.linalg.norm(one) for one in gradients], rel=1e-5)
    ratios = [np.linalg.norm(u) / np.linalg.norm(w) for u, w in zip(updates, weights, strict=True)]
    assert traced["ratio"] == pytest.approx(ratios, rel=1e-4)


def test_traced_steps_only_are_measured(cases: dict[str, Any]) -> None:
    assert cases["third"]["gradient"] == pytest.approx(cases["traced"]["gradient"][2::3], rel=1e-5)


def test_under_accumulation_untraced_batches_count_as_they_should(cases: dict[str, Any]) -> None:
    third = cases["accumulated, third"]
    assert (third["steps"], third["rows"]) == ([3.0], [96.0])
    assert third["gradient"] == pytest.approx(cases["accumulated"]["gradient"][2:], rel=1e-5)


def test_gradients_are_unscaled_and_those_of_the_update(cases: dict[str, Any]) -> None:
    assert cases["scaled"]["gradient"] == pytest.approx(cases["traced"]["gradient"], rel=1e-4)
    whole, accumulated = cases["whole"], cases["accumulated"]
    assert accumulated["steps"] == [3.0] == whole["steps"]
    assert len(accumulated["loss"]) == 6
    for kind in ("gradient", "ratio", "weight"):
        assert accumulated[kind] == pytest.approx(whole[kind], rel=1e-3)


def test_a_skipped_update_is_no_nan(cases: dict[str, Any]) -> None:
    skipped = cases["skipped"]
    assert 0.0 < skipped["skipped"][0] < 6.0
    assert not skipped["hard"]
    assert len(skipped["gradient"]) == 6 - skipped["skipped"][0]


def test_several_steps_an_execution_count_each(cases: dict[str, Any]) -> None:
    if "four" not in cases:
        pytest.skip("one step an execution on this backend") if os.environ.get("CI") != "true" else None
        return
    assert cases["four"]["steps"] == [6.0]
    assert cases["four"]["gradient"] == pytest.approx(cases["traced"]["gradient"], rel=1e-5)
