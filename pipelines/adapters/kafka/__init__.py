"""Apache Kafka: the bus of the embedded engine, hosts, topics, a job's own samples."""
