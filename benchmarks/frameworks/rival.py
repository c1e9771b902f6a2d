"""The rival in PyTorch: `wandb.watch`, offline, from a folder beside the environment of the newest releases."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.servers.jars import cache

RELEASE: Final = "0.31"
FOLDER: Final = f"wandb-{RELEASE}"
EVERY: Final = 10  # steps, as ours


def is_at_hand() -> bool:
    """Whether wandb can be imported here; fetched into the cache where it can be."""
    folder = cache() / FOLDER
    if not folder.exists():
        places = [str(Path(__file__).parents[2] / ".venv/bin"), os.environ.get("PATH", "")]
        uv = shutil.which("uv", path=os.pathsep.join(places))
        if uv is None or not _fetched(uv, folder):
            print("torch: wandb is not at hand, no rival row", file=sys.stderr)
            return False
    sys.path.append(str(folder))  # behind: what the environment has is the environment's
    return importlib.util.find_spec("wandb") is not None


def watched(model: Any) -> Any:
    """A run that watches all of a model; `log({...})` after each step."""
    wandb = importlib.import_module("wandb")
    os.environ |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    quiet = wandb.Settings(x_disable_stats=True)  # of the machine: not what is compared
    run = wandb.init(mode="offline", project="bench", dir=tempfile.mkdtemp(), settings=quiet)
    run.watch(model, log="all", log_freq=EVERY)
    return run


def _fetched(uv: str, folder: Path) -> bool:
    """Install into the cache at once or not at all."""
    scratch = Path(tempfile.mkdtemp(dir=cache()))
    where = ["--python", sys.executable, "--target", str(scratch)]
    command = [uv, "pip", "install", "--quiet", *where, f"wandb=={RELEASE}.*"]
    if subprocess.run(command, check=False).returncode:
        shutil.rmtree(scratch)
        return False
    scratch.rename(folder)
    return True
