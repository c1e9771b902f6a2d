"""Submitting the job to a Flink cluster that runs already, with what its workers need of ours."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import streamgauge
from streamgauge.pipelines.config.schema import Config
from streamgauge.pipelines.engines.flink import connector
from streamgauge.pipelines.engines.flink.jvm import prepare
from streamgauge.pipelines.engines.flink.kafka import java_properties, kafka_of
from streamgauge.pipelines.engines.flink.rest import FlinkError, JobManager, uri

FLINK: Final = "2.2"  # the minor version that client and cluster must share
SHIPPED: Final = ("tracer", "anomaly", "pipelines")  # of the package, beside its own file
_HEAP: Final = 256  # megabytes of the submitting JVM
_STORAGE: Final = ("execution.checkpointing.dir", "state.checkpoints.dir")


def submit(
    config: Config, manager: JobManager, *, savepoint: str = "", checkpoints: str = "", python: str = "python3",
) -> str:  # fmt: skip
    """Start the job on a cluster; its id. Our packages are shipped, their dependencies must be installed there.

    Args:
        config: what to run; its brokers must be reachable from the cluster.
        manager: where to.
        savepoint: path or URI of a savepoint or checkpoint to go on from.
        checkpoints: path or URI where checkpoints go; empty for the cluster's own.
        python: the interpreter on the TaskManagers, with numpy, scipy, msgspec and apache-flink.

    Raises:
        FlinkError: the cluster is not there, is another version, runs the job already, or refuses.
        ConnectorError: the connector is missing or of another version.
    """
    name = name_of(config)
    _check(manager, name, checkpoints)
    properties = java_properties(kafka_of(config).client)
    jars = [connector.find(config.flink.connector_jar), *python_jars()]
    settings = {"execution.checkpointing.storage": "filesystem"}
    if checkpoints:
        settings["execution.checkpointing.dir"] = uri(checkpoints)
    with TemporaryDirectory() as folder:
        prepare(Path(folder), _HEAP)
        from streamgauge.pipelines.engines.flink import job as flink_job

        job = flink_job.Job(
            config, properties, jars, config.flink.parallelism, python=python, settings=settings,
            restore=uri(savepoint) if savepoint else "",
        )  # fmt: skip
        client = flink_job.start(job, flink_job.Cluster(manager.host, manager.port), [packed(Path(folder))])
        return str(client.getJobID().toString())


def name_of(config: Config) -> str:
    """The job's name on a cluster: one a prefix of topics."""
    return f"streamgauge {kafka_of(config).prefix}".strip()


def packed(folder: Path) -> Path:
    """Our packages as one archive that Python imports from."""
    archive = folder / "streamgauge.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as shipped:
        root = Path(streamgauge.__file__).parent
        shipped.write(root / "__init__.py", "streamgauge/__init__.py")
        for package in SHIPPED:
            for file in sorted((root / package).rglob("*.py")):
                shipped.write(file, str(file.relative_to(root.parent)))
    return archive


def python_jars() -> list[Path]:
    """Flink's own support of Python, which clusters keep apart from what they load."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise FlinkError("submitting to Flink needs pyflink: pip install 'streamgauge[flink]'")
    return sorted((Path(spec.origin).parent / "opt").glob("flink-python*.jar"))


def _check(manager: JobManager, name: str, checkpoints: str) -> None:
    version = manager.version()
    if version.split(".")[:2] != FLINK.split("."):
        raise FlinkError(f"the cluster runs Flink {version}, needed is {FLINK} like the connector's and apache-flink's")
    if name in manager.jobs().values():
        raise FlinkError(f"the cluster runs a job named {name!r} already; `streamgauge flink stop` ends it")
    if not checkpoints and not any(manager.setting(setting) for setting in _STORAGE):
        raise FlinkError("the cluster names no folder for checkpoints (execution.checkpointing.dir); add --checkpoints")
