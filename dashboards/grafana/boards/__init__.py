"""The dashboards, one a file; `BOARDS` in `dashboards.grafana.catalogue` lists them."""
