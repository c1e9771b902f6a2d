"""The PyTorch part of `docs/getting-started.md` runs as it stands, and tells rows, loss and gradients."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.started import blocks, names, run


def test_the_pytorch_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("python", "PyTorch")
    found = names(run(block, tmp_path))
    wanted = {("loss", ""), ("gradient_norm", "tensor:0.weight"), ("profile", "feature:city"), ("prediction", "")}
    assert wanted <= found
