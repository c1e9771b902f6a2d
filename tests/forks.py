"""A fork of the process that runs the tests, which holds what other tests have left."""

from __future__ import annotations

import gc
import os


def fork() -> int:
    """`os.fork`; its child frees nothing that it has from its parent: a Kafka client among it would abort it."""
    gc.freeze()
    child = os.fork()
    if child:
        gc.unfreeze()
    return child
