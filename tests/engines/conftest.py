"""What the engines are compared with."""

from __future__ import annotations

import pytest

from tests.engines import answers
from tests.engines.answers import Run


@pytest.fixture(scope="session")
def reference() -> Run:
    """What the embedded engine says of the recorded logs, read in large batches."""
    return answers.embedded(200)
