"""`python -m streamgauge.dashboards.grafana`: write the dashboards' JSON anew, into the package."""

from __future__ import annotations

from pathlib import Path

from streamgauge.dashboards.grafana.catalogue import write

if __name__ == "__main__":
    for path in write(Path(__file__).parent / "json"):
        print(path)
