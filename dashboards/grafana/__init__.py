"""Grafana: dashboards as code, their provisioning files, and publishing them."""
