"""The store as a Grafana data source: InfluxQL over the one route that all versions of InfluxDB serve."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

UID: Final = "streamgauge"
NAME: Final = "Streamgauge"


class Source(NamedTuple):
    """Where Grafana finds the store, seen from Grafana.

    Attributes:
        url: of InfluxDB, such as http://127.0.0.1:8086.
        database: its database; of InfluxDB 2 the bucket.
        token: "" for a server without authentication.
        uid: its identity in Grafana.
    """

    url: str
    database: str
    token: str = ""
    uid: str = UID

    def body(self) -> dict[str, Any]:
        """As the data source API takes it."""
        secret = {"secureJsonData": {"httpHeaderValue1": f"Token {self.token}"}} if self.token else {}
        header = {"httpHeaderName1": "Authorization"} if self.token else {}
        return {
            "uid": self.uid, "name": NAME, "type": "influxdb", "access": "proxy", "url": self.url, "isDefault": False,
            "jsonData": {"version": "InfluxQL", "httpMode": "GET", "dbName": self.database, **header}, **secret,
        }  # fmt: skip
