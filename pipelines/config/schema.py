"""The configuration as data: frozen records with defaults, from `streamgauge.toml` by `pipelines.config.loading`."""

from __future__ import annotations

from typing import Literal

import msgspec

from streamgauge.anomaly.types import Edge, Severity
from streamgauge.tracer.kafka.settings import KafkaSettings

HOUR = 3600.0
DAY = 86400.0
WindowClass = Literal["short", "long", "wall"]
Scope = Literal["worker", "job", "both"]


class WindowSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of window; slides of an hour and more align to local midnight.

    Stream windows close by watermark, `wall` ones by the job's clock. `length` and `slide` are multiples of the pane;
    `slide` is the same for every stream window.
    """

    name: str
    kind: WindowClass  # metrics name the class they want
    length: float
    slide: float
    scope: Scope = "both"


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of an input feature."""

    name: str
    kind: Literal["numeric", "categorical", "id"]
    optional: bool = False  # flaky by nature: shown, never paged
    source: str = ""  # where it comes from (a table, a service); a node of the topology
    default: float | str | None = None
    low: float | None = None  # valid range of a numeric one
    high: float | None = None
    importance: float = 1.0  # weight in the score, capped at 5


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How labels reach the job; seconds."""

    horizon: float = DAY  # H of the `@H` cohorts
    margin: float = 3 * HOUR  # a label is overdue this long after it was due
    timeout: float = DAY  # after its due time a sample without label is dropped and counted as expired
    silence: float = 0.0  # longest normal gap between labels; 0: learnt
    scale: Literal["binary", "sign", "soft", "count"] = "binary"  # 0/1, -1/+1, a share in 0..1, a number of events
    positive: float | str | None = None  # which label is positive (`count`: from which on); None: what the scale says


class Detection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a change is an anomaly."""

    threshold: float = 8.0  # sigmas; measured on the flights: 8 gives 8 false notifications a year, 6 gives 23
    threshold_twice: float = 8.0  # natural metrics (label rate, loss, ...) must exceed this in two windows in a row
    warm_up: float = 14 * DAY  # history after which bands are the full ones; until then they are wider
    history: float = 28 * DAY
    clear: float = 4.0  # an episode ends when the score stays below this
    burn_in: float | None = None  # calibration costs no points for so long from the job's first window; None: learnt


class Paging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the pager waits and what it folds; seconds of the pager's clock."""

    grace: float = 45.0  # an alert whose node has something upstream waits this long for a root to show
    max_wait: float = 300.0  # never longer than this
    tolerance: float = 20.0  # clock skew plus detector lag
    hop_delay: float = 40.0  # an effect follows its cause within hops x this + tolerance
    max_hops: int = 2
    clear_hold: float = 300.0  # a re-fire within this continues the episode
    recover: float = 300.0  # after its cause ended, a suppressed alert gets this long to end too
    group: float = 300.0  # alerts of the same entity or worker within this go into one notification
    repeat: float = 4 * HOUR  # a firing notification is repeated after this, 0: never
    digest: float = 4 * HOUR  # whatever is suppressed is shown again at least this often


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A calendar entry: `date` (YYYY-MM-DD, local) has the class of a Sunday and a widened volume band."""

    date: str
    name: str = ""


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A declared limit: a fact from the first window on, whatever was normal before."""

    metric: str
    entity: str = "*"  # a pattern: "feature:age", "feature:*", "tensor:dense*"
    worker: str = ""  # a pattern of workers' names, "*" for each; "": the job as a whole
    above: float | None = None  # in the metric's unit; beyond it by three standard errors
    below: float | None = None
    lasting: float = msgspec.field(default=0.0, name="for")  # seconds that it must hold before it is told
    severity: Severity = "page"


class JobConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a job's answers depend on, put into its log as a `Setting`. Seconds unless named otherwise."""

    name: str
    timezone: str = "UTC"
    pane: float = 10.0
    windows: tuple[WindowSpec, ...] = (
        WindowSpec(name="short", kind="short", length=60.0, slide=60.0),
        WindowSpec(name="long", kind="long", length=HOUR, slide=60.0),
        WindowSpec(name="wall", kind="wall", length=60.0, slide=60.0),
    )
    tick: float = 1.0
    allowed_lateness: float = 0.0
    max_hold: float | None = None  # None: three of the shortest windows
    max_ahead: float = 300.0
    missing_after: float = 600.0  # a worker silent for so long, and three of its intervals, is a fact
    max_series: int = 20_000
    shards: int = 1
    workers: int = 0  # expected number, 0: the maximum of the last hour
    features: tuple[Feature, ...] = ()
    labels: Labels = Labels()
    minimum: dict[str, float] = {}  # least evidence by metric, over the catalogue's
    rules: dict[str, dict[str, float]] = {}  # good, bad, weight, criticality by metric
    unpaged: tuple[str, ...] = ()  # metrics that are scored and shown, never paged
    duplicate_modulus: int = 1  # ids with hash mod this = 0 are kept; a power of two
    duplicate_horizon: float = 48 * HOUR
    slo: dict[str, float] = {}  # seconds by metric: queue_delay, produce_delay, feature_age, ...
    detection: Detection = Detection()
    paging: Paging = Paging()
    holidays: tuple[Holiday, ...] = ()
    topology: tuple[Edge, ...] = ()  # edges between node names, beside the built-in ones
    limits: tuple[Limit, ...] = ()  # declared facts, in force from the first window on


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where notifications are posted."""

    url: str
    secret_file: str = ""


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the store keeps what; seconds, and bytes for the cap."""

    raw: float = DAY
    r10: float = 7 * DAY
    r60: float = 30 * DAY
    r3600: float = 366 * DAY
    records: float = 366 * DAY
    profiles: float = 30 * DAY
    log: float = 7 * DAY
    max_bytes: int = 2_000_000_000


class Own(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The job that the pipeline is itself (`[self]`); there is none with `clock = "log"`."""

    enabled: bool = True
    name: str = "streamgauge"  # a job of this name in the file has the settings for it
    most_waiting: int = 100_000  # messages; a consumer that is further behind makes the process not ready


class Kafka(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Brokers in place of the embedded log; `docs/kafka.md`."""

    bootstrap: str  # host:port, several separated by commas
    prefix: str = ""  # of every topic's name
    partitions: int = 12  # of a topic that `streamgauge topics --create` makes, where more than one is right
    replication: int = 1
    settings: dict[str, str] = {}  # librdkafka's, such as "security.protocol"; secrets as "file:PATH" or "env:NAME"
    password_file: str = ""  # holds sasl.password

    @property
    def client(self) -> KafkaSettings:
        """What a client is made with."""
        return KafkaSettings(
            bootstrap=self.bootstrap, prefix=self.prefix, settings=self.settings, password_file=self.password_file
        )


class Bridge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job's own sample topic, read by `streamgauge bridge`; fields are named by their path, such as `user.id`."""

    job: str
    topic: str  # its whole name: no prefix is put before it
    format: Literal["json", "msgpack", "avro", "csv"] = "json"
    id: str = ""  # the sample's id, for duplicates
    time: str = ""  # when the sample happened
    time_unit: Literal["s", "ms", "us", "iso"] = "s"
    label: str = ""
    prediction: str = ""
    prediction_scale: Literal["probability", "logit"] = "probability"
    fields: dict[str, str] = {}  # by feature of the job: its field, where that is named otherwise
    schema_file: str = ""  # Avro
    columns: tuple[str, ...] = ()  # CSV, in order
    delimiter: str = ","
    max_age: float | None = None  # samples older than this when they were written are late; seconds
    rows: int = 8_192  # summarised at once, at most
    salt_file: str = ""  # salts the hashes that stand for ids and categories


class Influx(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An InfluxDB (1.8 or newer, 2, 3 Core) as the time-series store."""

    url: str
    bucket: str = "streamgauge"  # of 1.x: DATABASE or DATABASE/RETENTION_POLICY
    org: str = ""  # 2.x only
    token_file: str = ""  # or the environment variable STREAMGAUGE_INFLUX_TOKEN
    timeout: float = 10.0  # seconds that one request may take
    batch: int = 5_000  # lines of one write, at most
    spill_bytes: int = 1_000_000_000  # of the queue on disk while the store does not take what it is sent


class Flink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the Flink engine runs; `docs/engines.md`."""

    connector_jar: str = ""  # Flink's Kafka connector, where it is not in the cache of `streamgauge flink fetch`
    parallelism: int = 1  # slots, each with a Python process of its own
    checkpoint_every: float = 10.0  # seconds; a restart reads so much again
    heap: int = 512  # megabytes of the JVM that `--engine flink` starts
    savepoint: str = ""  # where that goes on from, path or URI, while the data folder holds no checkpoint of its own


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file: where things live and which jobs are watched."""

    data: str = "./streamgauge-data"  # folder of the embedded log, the state and the store
    clock: Literal["wall", "log"] = "wall"  # log: ticks come from a driver (a replay), `run` writes none
    engine: Literal["embedded", "faust", "flink"] = "embedded"  # where the operators run; docs/engines.md
    host: str = "127.0.0.1"
    port: int = 8470
    hosts: tuple[str, ...] = ()  # names by which the page is reached from other machines, without a port
    token_file: str = ""
    console: bool = True
    webhooks: tuple[Webhook, ...] = ()
    retention: Retention = Retention()
    kafka: Kafka | None = None  # None: the embedded log in `data`
    store: Literal["auto", "sqlite", "influx", "both"] = "auto"  # auto: influx where there is [influx], else sqlite
    influx: Influx | None = None
    flink: Flink = Flink()
    own: Own = msgspec.field(default=Own(), name="self")
    bridges: tuple[Bridge, ...] = ()
    jobs: tuple[JobConfig, ...] = ()
