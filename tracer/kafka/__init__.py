"""The log on Apache Kafka: clients, sending, following compacted topics."""
