"""The tree of an earlier release: what a new one is measured against, in the same run."""

from __future__ import annotations

import pathlib
import subprocess
import tempfile
from typing import Final

from tests.servers.jars import cache

LAST: Final = "1215182"  # the release that today's goals are measured against


def tree(commit: str = LAST) -> pathlib.Path:
    """The files of a commit, taken out of the repository once, into the cache of the tests' servers."""
    folder = cache() / f"release-{commit}"
    if not folder.exists():
        root = pathlib.Path(__file__).resolve().parent.parent
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            archive = subprocess.run(["git", "-C", str(root), "archive", commit], stdout=subprocess.PIPE, check=True)
            subprocess.run(["tar", "-x", "-C", scratch], input=archive.stdout, check=True)
            pathlib.Path(scratch).rename(folder)
            pathlib.Path(scratch).mkdir()  # for the context that removes it
    return folder
