"""Paging: the once-only stage from anomalies to notifications, and what people say and do about them."""
