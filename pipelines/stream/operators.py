"""The operator of one key: records in, outputs out (stage 1 of the stream core)."""

from __future__ import annotations

from pipelines.stream.stages import Stage2

__all__ = ["Stage2"]
