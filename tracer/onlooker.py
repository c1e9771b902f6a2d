"""A process of a job that takes no steps, such as a parameter server: it is a member, and holds up nobody's windows."""

from __future__ import annotations

import threading
from typing import Any

from streamgauge.tracer.tracer import Tracer
from streamgauge.tracer.transport import Transport


def process(job: str, transport: Transport, *, role: str, **options: Any) -> Tracer:
    """A tracer that tells processor, memory and that the process lives; who it is stands in the environment.

    tracer = process("ctr", transport, role="ps")
    server.join()
    """
    tracer = Tracer(job, None, transport, roles=(role,), select=(), **options)
    thread = threading.Thread(target=_pass_time, args=(tracer,), name="tracer-onlooker", daemon=True)
    thread.start()
    return tracer


def _pass_time(tracer: Tracer) -> None:
    """Nothing is ever pending here: time passes without steps."""
    stop = threading.Event()
    while not tracer.is_closed:
        tracer.idle()
        stop.wait(1.0)
