"""The dashboards, one a file; `BOARDS` in `dashboards.grafana.rendering` lists them."""
