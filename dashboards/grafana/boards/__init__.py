"""The dashboards, one a file; `BOARDS` in `streamgauge.dashboards.grafana.catalogue` lists them."""
