"""Streamgauge: the instrument for online-learning jobs. What a job needs of it, under one name.

    from streamgauge import LocalLog, Tracer

Names are imported when they are first used, so this costs a training job no more than the tracer does, and needs
nothing that the tracer does not need. The tracer's own wheel, `streamgauge-tracer`, holds this file and
`streamgauge.tracer`; the wheel `streamgauge` adds the pipeline and needs the tracer's of the same version.
"""

import os
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamgauge.pipelines.client import connect, gate
    from streamgauge.tracer.evaluation import Evaluation, Slice
    from streamgauge.tracer.frameworks.keras import KerasTracer
    from streamgauge.tracer.frameworks.plain import Traced
    from streamgauge.tracer.frameworks.tensorflow_v1 import TracerHook
    from streamgauge.tracer.frameworks.torch import TorchTracer
    from streamgauge.tracer.kafka.transport import KafkaTransport
    from streamgauge.tracer.local.log import LocalLog
    from streamgauge.tracer.served import Serving
    from streamgauge.tracer.tasks import Head, Task
    from streamgauge.tracer.tracer import Tracer
    from streamgauge.tracer.transport import LogError, MemoryLog

__version__ = "0.1.0"
__all__ = [
    "Evaluation",
    "Head",
    "KafkaTransport",
    "KerasTracer",
    "LocalLog",
    "LogError",
    "MemoryLog",
    "Serving",
    "Slice",
    "Task",
    "TorchTracer",
    "Traced",
    "Tracer",
    "TracerHook",
    "connect",
    "gate",
]

_HOMES = {
    "Evaluation": "tracer.evaluation",
    "Head": "tracer.tasks",
    "KafkaTransport": "tracer.kafka.transport",
    "KerasTracer": "tracer.frameworks.keras",
    "LocalLog": "tracer.local.log",
    "LogError": "tracer.transport",
    "MemoryLog": "tracer.transport",
    "Serving": "tracer.served",
    "Slice": "tracer.evaluation",
    "Task": "tracer.tasks",
    "TorchTracer": "tracer.frameworks.torch",
    "Traced": "tracer.frameworks.plain",
    "Tracer": "tracer.tracer",
    "TracerHook": "tracer.frameworks.tensorflow_v1",
    "connect": "pipelines.client",
    "gate": "pipelines.client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'streamgauge' has no attribute {name!r}; it has {', '.join(__all__)}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _check(folder: str) -> None:
    """Two ways in which an installation can be broken are told at once, in words."""
    if os.path.isfile(os.path.join(folder, "tracer")):
        text = (
            f"{folder} holds text files where the checkout has symbolic links (tracer, pipelines, ...). "
            "Run `git config core.symlinks true && git checkout -- streamgauge`, or install the wheels"
        )
        raise ImportError(text)
    if os.path.isdir(os.path.join(folder, "pipelines")):
        try:
            import_module(f"{__name__}.pipelines")
        except ImportError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=3)


_check(os.path.dirname(__file__))
