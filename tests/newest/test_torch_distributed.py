"""Two processes on gloo: each rank tells what is its own, and no collective is added to the job."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def _both(kind: str) -> list[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.newest.ranks", kind], cwd=ROOT, env={**shared, "RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = []
    for process in processes:
        out, err = process.communicate(timeout=280)
        lines = [line for line in out.splitlines() if line.startswith("TOLD ")]
        assert lines, err[-3000:]
        said.append(json.loads(lines[0][5:]))
    return said


def test_under_ddp_gradients_are_local_and_what_only_another_rank_used_is_told_too() -> None:
    both = _both("ddp")
    assert [one["deep"] for one in both] == [[3], [3]]  # a plan with min_step, heard of at different steps
    first, second = (one["values"] for one in both)
    expected = {f"{name}.{part}" for name in ("hidden", "side", "out") for part in ("weight", "bias")}
    assert set(first) == set(second) == expected
    assert first["out.weight"]["gradient"] != second["out.weight"]["gradient"]
    assert len(first["side.weight"]["gradient"]) == 3  # unused here: the averaged gradient, from the optimizer
    for name in first:
        assert first[name]["last"] == second[name]["last"]
        assert first[name]["update"] == pytest.approx(second[name]["update"])


def test_under_fsdp2_each_rank_tells_its_shard() -> None:
    first, second = _both("fsdp2")
    assert not first["faults"] and not second["faults"]
    for name in ("hidden.weight", "out.bias"):
        shards = [one["values"].get(f"{name}/shard_{rank}") for rank, one in enumerate((first, second))]
        squares = sum(np.square(shard["last"]).sum() for shard in shards if shard)
        assert np.sqrt(squares) == pytest.approx(first["whole"][name], rel=1e-5)
        for shard in shards:
            if shard:
                assert len(shard["gradient"]) == 3
                np.testing.assert_allclose(shard["update"], 0.5 * np.array(shard["gradient"]), rtol=1e-4)
    assert sum("out.bias" in name for one in (first, second) for name in one["values"]) == 1  # one shard is empty
