"""Where the checkout lies, however deep a test does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TESTS: Final = Path(__file__).parent
