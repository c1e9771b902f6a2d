"""The flights as a job's own sample topic: one JSON row a flight on Kafka, for `streamgauge bridge`.

    python -m streamgauge.examples.flights.rows --bootstrap 127.0.0.1:9092 --until 2013-02-01
    streamgauge bridge --once --config examples/flights/bridge.toml

A row is written when its label is known, or 24 h after the scheduled arrival without one, under the airport as its key;
the broker's timestamp is that moment of 2013, as if the topic had been kept since then.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streamgauge.examples.flights.columns import AIRPORTS, Flights
from streamgauge.examples.flights.data import load

TOPIC: Final = "flights-samples"
TIMEOUT: Final = 24 * 3600.0  # seconds after the scheduled arrival until a row goes without its label


class Row(NamedTuple):
    """One message: when it is written (seconds since the epoch), and what."""

    stamp: float
    value: bytes


def rows(flights: Flights) -> Iterator[Row]:
    """One airport's rows in the order in which they are written."""
    stamps = np.where(np.isnan(flights.landed), flights.due + TIMEOUT, flights.landed)
    columns = {name: column.tolist() for name, column in flights.features.items()}
    for i in np.argsort(stamps, kind="stable").tolist():
        row: dict[str, Any] = {name: _plain(column[i]) for name, column in columns.items()}
        late = float(flights.late[i])
        row |= {"id": str(flights.ids[i]), "scheduled": flights.time[i], "late": None if late != late else int(late)}
        yield Row(float(stamps[i]), json.dumps(row).encode())


def send(bootstrap: str, topic: str, until: float, cache: Path | None = None) -> int:
    """Put the rows written before `until` on a topic with a partition an airport; how many."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if topic not in admin.list_topics(timeout=10).topics:
        created = admin.create_topics([NewTopic(topic, len(AIRPORTS), config={"retention.ms": "-1"})])
        created[topic].result(30)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 20})
    sent = 0
    for partition, airport in enumerate(AIRPORTS):
        for row in rows(load(airport, cache)):
            if row.stamp >= until:
                break
            while True:
                try:
                    producer.produce(topic, row.value, airport, partition, timestamp=round(row.stamp * 1000))
                    break
                except BufferError:
                    producer.poll(0.1)
            sent += 1
    producer.flush()
    return sent


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    prog = "python -m streamgauge.examples.flights.rows"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", help="brokers (127.0.0.1:9092)")
    parser.add_argument("--topic", default=TOPIC, help=f"({TOPIC})")
    parser.add_argument("--until", default="2013-04-01", help="day before which the rows end (2013-04-01)")
    parser.add_argument("--cache", type=Path, help="folder with the prepared flights")
    options = parser.parse_args(arguments)
    until = datetime.datetime.fromisoformat(options.until).replace(tzinfo=datetime.UTC).timestamp()
    print(f"{send(options.bootstrap, options.topic, until, options.cache)} rows on {options.topic}")
    return 0


def _plain(value: Any) -> Any:
    """NaN and the empty string are null in JSON."""
    return None if value != value or value == "" else value


if __name__ == "__main__":
    sys.exit(main())
