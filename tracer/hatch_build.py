"""What the tracer's own wheel holds: `streamgauge/__init__.py`, and this folder as `streamgauge/tracer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Names each file and its place: `sources` would move `streamgauge/__init__.py`, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill in `force_include`."""
        here = Path(self.root)
        inside = [path for path in here.rglob("*.py") if path != Path(__file__)]
        places = {str(path): f"streamgauge/tracer/{path.relative_to(here)}" for path in sorted(inside)}
        places[str(here.parent / "streamgauge" / "__init__.py")] = "streamgauge/__init__.py"
        build_data["force_include"] |= places
