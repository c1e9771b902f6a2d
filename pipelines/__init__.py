"""Pipelines: traces to windows, windows to metrics, metrics to scores and anomalies, anomalies to one page."""

import streamgauge

VERSION = "0.1.0"  # of the wheel `streamgauge`; the tracer's, which owns `streamgauge/__init__.py`, must be the same

if streamgauge.__version__ != VERSION:
    raise ImportError(
        f"streamgauge {VERSION} and streamgauge-tracer {streamgauge.__version__} do not fit together; "
        f"run `pip install streamgauge=={VERSION} streamgauge-tracer=={VERSION}`"
    )
