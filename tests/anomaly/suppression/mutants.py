"""Mutants of the pager's engine: one line of it changed each, in a copy; its tests must kill them all.

`python -m tests.anomaly.suppression.mutants` runs them and exits with 1 if one survives.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Final, NamedTuple

ROOT: Final = pathlib.Path(__file__).parents[3]
_HERE: Final = "anomaly/suppression"
_TESTS: Final = (f"{_HERE}/test_stages.py", f"{_HERE}/test_lifecycle.py", "pipelines/paging/test_waking.py")


class Mutant(NamedTuple):
    """What is changed where."""

    name: str
    file: str
    old: str
    new: str


MUTANTS: Final = (
    Mutant("no onset window", "relations.py", "return b.start <= latest_onset(cause, waits) + reach and", "return"),
    Mutant("effects before causes", "relations.py", "if a.start > latest_onset(effect, waits) + waits.tolerance:",
           "if False:"),
    Mutant("a lesser alert hides a graver", "relations.py", "if LEVEL[one.severity] < LEVEL[other.severity]:",
           "if False:"),
    Mutant("entities fold without a bound in time", "stages.py",
           "if coincide(other, episode, ledger.waits) and _is_one", "if _is_one"),
    Mutant("roots need not be sent", "stages.py", 'return Verdict("silenced", _reason(ledger, "silenced", text)',
           'return Verdict("sent", _reason(ledger, "silenced", text)'),
    Mutant("no rank on cycles", "stages.py", "return rank(ledger, one, wide) < rank(ledger, other, wide)",
           "return True"),
    Mutant("over while members fire", "transitions.py",
           'return ledger.waits.recover if episode.state == "sent" and ledger.is_firing(episode) else 0.0',
           "return 0.0"),
    Mutant("members are lost with their root", "lifecycle.py",
           'if episode.state == "sent" and (released := hand_over(ledger, episode, now)):', "if released := []:"),
    Mutant("nobody is told what is left", "transitions.py", "root.heirs += [heir.id for heir in heirs]", "pass"),
    Mutant("the ended root takes its heirs back", "stages.py", "and root.id != episode.outlived", "and True"),
    Mutant("identities differ from run to run", "episodes.py", "return fingerprint(episode, kind)",
           "return fingerprint(episode, kind, str(id(object())), str(__import__('time').perf_counter_ns()))"),
    Mutant("told again after a restart", "stages.py", "if episode.id in ledger.told:", "if False:"),
    Mutant("metrics move everything", "topology.py", "return any(admits(names, effect) for names in reached)",
           "return True"),
    Mutant("acknowledged, yet repeated", "transitions.py", "not (root.is_acked or root.explained)",
           "not root.explained"),
    Mutant("a dead detector hides for ever", "lifecycle.py", "or episode.seen + STALE <= now", ""),
    Mutant("graver, yet nobody is told", "arrivals.py", "        episode.is_risen = True\n", "        pass\n"),
    Mutant("a roll-out calms nothing", "arrivals.py", "episode.hold = max(episode.hold, ledger.calm_until)", "pass"),
    Mutant("a page beyond the budget hides facts", "relations.py",
           "if root.is_demoted and episode.pages and not episode.is_budgeted:", "if False:"),
    Mutant("the budget has no end", "lifecycle.py",
           "    episode.is_demoted = episode.is_budgeted and not ledger.may_page(now)\n    if", "    if"),
    Mutant("tickets are repeated like pages", "transitions.py", "if root.pages else []", "if True else []"),
    Mutant("unknown places are held", "stages.py",
           "if episode.is_forced or not ledger.graph.knows(episode.alert.node):", "if episode.is_forced:"),
)  # fmt: skip


def survives(mutant: Mutant, folder: pathlib.Path) -> bool:
    """Whether the tests pass on the mutant."""
    target = folder / _HERE / mutant.file
    source = (ROOT / _HERE / mutant.file).read_text()
    if source.count(mutant.old) != 1:
        raise ValueError(f"mutant {mutant.name!r}: its line is there {source.count(mutant.old)} times; mend the mutant")
    target.write_text(source.replace(mutant.old, mutant.new))
    try:
        tests = [str(folder / "tests" / name) for name in _TESTS]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-c", os.devnull, *tests]
        environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=180, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:])
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False  # it hangs
    finally:
        target.write_text(source)


def main() -> int:
    """Run every mutant; 1 if one survives."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("anomaly", "tests/anomaly", "tests/pipelines/paging", "streamgauge"):
            shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("tracer", "pipelines", "dashboards"):
            (folder / part).symlink_to(ROOT / part)
        left = []
        for mutant in MUTANTS:
            is_left = survives(mutant, folder)
            left += [mutant.name] if is_left else []
            print(f"{'SURVIVES' if is_left else 'killed':<9} {mutant.name}", flush=True)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
