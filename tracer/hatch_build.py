"""What the tracer's wheel holds: `streamgauge/__init__.py`, this folder as `streamgauge/tracer`, its compiled core.

Where no compiler is, or with `STREAMGAUGE_PURE=1` in the environment, the wheel is for every machine and every Python.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD = Path("compiled") / "build.py"


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Names each file and its place: `sources` would move `streamgauge/__init__.py`, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill in `force_include`, and the tag where something is compiled."""
        here = Path(self.root)
        inside = [path for path in here.rglob("*.py") if path not in (Path(__file__), here / BUILD)]
        places = {str(path): f"streamgauge/tracer/{path.relative_to(here)}" for path in sorted(inside)}
        places[str(here.parent / "streamgauge" / "__init__.py")] = "streamgauge/__init__.py"
        build_data["force_include"] |= places
        if version == "standard" and not os.environ.get("STREAMGAUGE_PURE"):
            self._compile(here, build_data)

    def _compile(self, here: Path, build_data: dict[str, Any]) -> None:
        try:
            core = _module(here / BUILD).build(here / BUILD.parent)
        except RuntimeError as error:
            self.app.display_warning(f"a wheel without the compiled core: {error}")
            return
        build_data["force_include"][str(core)] = f"streamgauge/tracer/{core.relative_to(here)}"
        machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data |= {"pure_python": False, "tag": f"cp311-abi3-{machine}"}


def _module(path: Path) -> Any:
    """A module by its file: hatchling has this folder on no path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} is not there")
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
