"""InfluxDB: the `Store` and `Query` ports by line protocol and InfluxQL."""
