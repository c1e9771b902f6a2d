"""Builds `core.c`: for a checkout beside it (`python tracer/compiled/build.py`), for a wheel where its hook says."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("core.c")
FIRST = (3, 11)  # the first Python whose limited API has the buffer protocol


def build(folder: Path) -> Path:
    """The compiled core in `folder`, for this Python and every later one on this kind of machine.

    Raises RuntimeError where there is no compiler, or none of Python's headers.
    """
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext
    from setuptools.errors import BaseError, CCompilerError

    if sys.version_info < FIRST:
        raise RuntimeError("Python {}.{} has no buffers in its limited API".format(*sys.version_info))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        extension = Extension("core", [shutil.copy(SOURCE, scratch)], py_limited_api=True, extra_compile_args=["-O3"])
        command = build_ext(Distribution({"name": "core", "ext_modules": [extension]}))
        command.build_lib = command.build_temp = scratch
        command.ensure_finalized()
        try:
            command.run()
        except (BaseError, CCompilerError, OSError) as error:
            raise RuntimeError(str(error)) from error
        built = Path(command.get_ext_fullpath("core"))
        return built.replace(folder / built.name)  # at once: another process may have the one before in its memory


if __name__ == "__main__":
    try:
        print(build(SOURCE.parent))
    except RuntimeError as error:
        print(f"no compiled core, NumPy does its work: {error}")
