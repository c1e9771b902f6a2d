"""What runs in the environment of the newest releases only (`make newest`); elsewhere nothing here is collected."""

from __future__ import annotations

import importlib.util
import os

from hypothesis import HealthCheck, settings

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]

settings.register_profile(
    "newest",
    max_examples=int(os.environ.get("LAWS", "100")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("newest")
