"""The configuration as data: frozen records with defaults, from `streamgauge.toml` by `pipelines.config.loading`."""

from __future__ import annotations

from typing import Literal

import msgspec

from streamgauge.anomaly.types import Edge, Severity
from streamgauge.pipelines.config.people import Token
from streamgauge.tracer.evaluation import Evaluation
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

    name: str  # what its series and charts call it
    kind: WindowClass  # metrics name the class they want
    length: float  # of one window
    slide: float  # from one begin to the next; shorter than `length`: windows overlap
    scope: Scope = "both"  # whether values are of each worker, of the job as a whole, or both


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of an input feature."""

    name: str  # as the job's tracer, or the bridge, calls it
    kind: Literal["numeric", "categorical", "id"]  # what its values are
    optional: bool = False  # flaky by nature: shown, never paged
    source: str = ""  # where it comes from (a table, a service); a node of the topology
    default: float | str | None = None  # what stands for a missing value upstream; counted apart
    low: float | None = None  # valid range of a numeric one
    high: float | None = None  # the other end of that range
    separator: str = ""  # between the values of a row that comes as text, such as "a,b": it has several values
    weight: str = ""  # before the weight of a value that comes as text, such as "tag|0.5"
    importance: float = 1.0  # weight in the score, capped at 5
    cost: float | None = None  # what it costs to have, in a unit of your own, in the table of features


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How labels reach the job; seconds."""

    horizon: float = DAY  # H: label metrics by cohort (`@H`) are of samples that became this old
    wait: float = 0.0  # without a click for so long a sample is a negative: judged by cohort; 0: labels as they come
    margin: float = 3 * HOUR  # a label is overdue this long after it was due
    timeout: float = DAY  # after its due time a sample without label is dropped and counted as expired
    silence: float = 0.0  # longest normal gap between labels; 0: learnt
    scale: Literal["binary", "sign", "soft", "count", "number"] = "binary"  # 0/1, -1/+1, 0..1, events, any number
    keep_rate: float = 1.0  # share of the negatives that the job was given; label metrics are those of all rows
    predicts: Literal["kept", "all"] = "kept"  # what predictions are right for: the rows as they were kept, or all
    positive: float | str | None = None  # which label is positive (`count`: from which on); None: what the scale says
    hold: float = 0.0  # a label that comes before its sample waits for it so long
    quantile: float = 0.0  # of labels that are numbers: the quantile that predictions are meant to be; 0: the mean
    across: int = 0  # other workers learn the labels than see the samples: one id in so many is joined; a power of two


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more head of a multi-task model, with labels of its own; its series are those of `task:NAME`."""

    name: str  # as the job's tracers call it
    of: Literal["all", "positives"] = "all"  # its samples: all rows, or those whose first label is positive
    expected: float = 0.0  # a label is due so long after its sample; seconds; 0: never
    labels: Labels = Labels()  # how its labels reach the job; `wait` and `across` are the job's
    predictions: Literal["probability", "logit"] = "probability"  # what its predictions are
    weight: float = 1.0  # in the score, beside 1 for the job's own labels


class Detection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a change is an anomaly."""

    threshold: float = 8.0  # sigmas; measured on the flights: 8 gives 8 false notifications a year, 6 gives 23
    threshold_twice: float = 8.0  # natural metrics (label rate, loss, ...) must exceed this in two windows in a row
    warm_up: float = 14 * DAY  # history after which bands are the full ones; until then they are wider
    history: float = 28 * DAY  # of the reference that a value is compared with
    clear: float = 4.0  # an episode ends when the score stays below this
    burn_in: float | None = None  # calibration costs no points for so long from the job's first window; None: learnt
    categorical: Literal["sketch", "network"] = "sketch"  # what finds odd values of categorical features


class Paging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the pager waits and what it folds; seconds of the pager's clock."""

    grace: float = 45.0  # an alert whose node has something upstream waits this long for a root to show
    max_wait: float = 90.0  # never longer than this
    tolerance: float = 5.0  # how far clocks may be apart
    hop_delay: float = 30.0  # an effect follows its cause within hops x this + tolerance
    max_hops: int = 2  # edges of the topology from a cause to its effect
    clear_hold: float = 90.0  # a re-fire within this continues the episode
    recover: float = 65.0  # after its cause is over, a suppressed alert gets this long to end too
    group: float = 20.0  # alerts of one entity or worker that begin within this of each other are one incident
    repeat: float = 4 * HOUR  # a firing notification is repeated after this, 0: never, and `remind` is off too
    digest: float = 4 * HOUR  # whatever is suppressed is shown again at least this often
    remind: tuple[float, ...] = (300.0, 900.0, 1800.0)  # a page nobody acknowledged is repeated so long after it
    involve: float = 900.0  # and after so long it pages the owners of what is folded beneath it
    calm: float = 600.0  # after a roll-out only what pages at once is told; the rest must outlast this
    pages: float = 0.0  # pages a day that changes of this job are to cost: they make them rarer; 0: as rare as they are


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A calendar entry: `date` (YYYY-MM-DD, local) has the class of a Sunday and a widened volume band."""

    date: str  # YYYY-MM-DD, local
    name: str = ""  # what it is, for people


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A declared limit: a fact from the first window on, whatever was normal before."""

    metric: str  # a metric of `docs/metrics.md`
    entity: str = "*"  # a pattern: "feature:age", "feature:*", "tensor:dense*"
    worker: str = ""  # a pattern of workers' names, "*" for each; "": the job as a whole
    above: float | None = None  # in the metric's unit; beyond it by three standard errors
    below: float | None = None  # the same at the other end
    lasting: float = msgspec.field(default=0.0, name="for")  # seconds that it must hold before it is told
    severity: Severity = "page"  # how loud it is; only `page` and `page-now` wake somebody


class JobConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a job's answers depend on, put into its log as a `Setting`. Seconds unless named otherwise."""

    name: str  # as its tracers call it
    timezone: str = "UTC"  # of its days, hours and holidays
    pane: float = 10.0  # smallest slice of time that a summary may span
    windows: tuple[WindowSpec, ...] = (  # the kinds of windows; see below for the default ones
        WindowSpec(name="short", kind="short", length=60.0, slide=60.0),
        WindowSpec(name="long", kind="long", length=HOUR, slide=60.0),
        WindowSpec(name="wall", kind="wall", length=60.0, slide=60.0),
    )
    tick: float = 1.0  # how often the clock is put into the job's log
    allowed_lateness: float = 0.0  # a window waits for so long after its end
    max_hold: float | None = None  # None: three of the shortest windows
    max_ahead: float = 300.0  # a worker's time may lead the clock by no more
    missing_after: float = 600.0  # a worker silent for so long, and three of its intervals, is a fact
    max_series: int = 20_000  # series of one job, names of 200 bytes each on average; others are counted as overflow
    shards: int = 1  # keys that a big job is spread over; fixed for a run of the job
    workers: int = 0  # expected number, 0: the maximum of the last hour
    features: tuple[Feature, ...] = ()  # the declared features
    labels: Labels = Labels()  # how labels reach the job
    minimum: dict[str, float] = {}  # least evidence by metric, over the catalogue's
    rules: dict[str, dict[str, float]] = {}  # good, bad, weight, criticality by metric
    unpaged: tuple[str, ...] = ()  # metrics that are scored and shown, never told
    paged: tuple[str, ...] = ()  # changes that page, others are tickets: "auc", "feature:age/missing_rate", "*"
    push_interval: float = 0.0  # of the model's pushes; in service four times as old it pages; 0: learnt from pushes
    team: str = ""  # whose page budget its pages are taken from; jobs without one share it
    owners: dict[str, str] = {}  # who is told of which place, the first that fits: "feature:*" = "features"
    duplicate_modulus: int = 0  # ids with hash mod this = 0 are kept; a power of two; 0: chosen by their rate
    duplicate_horizon: float = 48 * HOUR  # ids seen within it are duplicates
    slo: dict[str, float] = {}  # seconds by metric: queue_delay, produce_delay, feature_age, ...
    detection: Detection = Detection()  # when a change is an anomaly
    paging: Paging = Paging()  # how long the pager waits and what it folds
    holidays: tuple[Holiday, ...] = ()  # days with the class of a Sunday
    topology: tuple[Edge, ...] = ()  # edges between node names, beside the built-in ones
    limits: tuple[Limit, ...] = ()  # declared facts, in force from the first window on
    evaluation: Evaluation = Evaluation()  # predictions by groups and by slices of the rows
    tasks: tuple[Task, ...] = ()  # the other heads of a multi-task model


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where notifications are posted."""

    url: str  # http or https
    secret_file: str = ""  # signs what is posted
    severities: tuple[Literal["ticket", "page", "page-now"], ...] = ("page", "page-now")  # what is posted


ReceiverKind = Literal["slack", "teams", "feishu", "dingtalk", "pagerduty", "alertmanager", "email", "heartbeat"]


class Receiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who else is told, in the format that they speak, and of what; tickets go only to who asks for them."""

    name: str  # of your own choice, in logs and metrics
    kind: ReceiverKind  # its format
    url: str = ""  # incoming webhook; Alertmanager's address; smtp://[USER@]HOST[:PORT] or smtps://
    secret_file: str = ""  # signing secret (feishu, dingtalk), routing key (pagerduty), password (email)
    sender: str = ""  # email: From
    to: tuple[str, ...] = ()  # email: to whom
    severities: tuple[Literal["ticket", "page", "page-now"], ...] = ("page", "page-now")  # of which it is told
    jobs: tuple[str, ...] = ()  # of which it is told; none: of all
    domains: tuple[Literal["sample", "train", "system"], ...] = ()  # of which it is told; none: of all
    owners: tuple[str, ...] = ()  # of `owners` of the jobs: it is told of their places; none: of all
    hours: tuple[str, ...] = ()  # when it is told: "mon-fri 08:00-20:00"; none: always
    timezone: str = "UTC"  # of `hours`
    backup: str = ""  # name of another that is told when this one takes nothing for two minutes


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the store keeps what; seconds, and bytes for the cap."""

    raw: float = DAY  # every window
    r10: float = 7 * DAY  # 10 s rollups
    r60: float = 30 * DAY  # 1 min rollups
    r3600: float = 366 * DAY  # 1 h rollups
    records: float = 366 * DAY  # scores, anomalies, notifications
    profiles: float = 30 * DAY  # summaries of features
    log: float = 7 * DAY  # the embedded log
    max_bytes: int = 2_000_000_000  # of the whole store; raw points are shortened first
    log_bytes: int = 4_000_000_000  # of the embedded log; beyond, the oldest that all have read goes
    traces_bytes: int = 0  # of `traces` on Kafka, about; beyond, the oldest that is in a stored state goes; 0: no cap


class Own(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The job that the pipeline is itself (`[self]`); there is none with `clock = "log"`."""

    enabled: bool = True  # whether the pipeline measures itself
    name: str = "streamgauge"  # a job of this name in the file has the settings for it
    most_waiting: int = 100_000  # messages; a consumer that is further behind makes the process not ready


class Kafka(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Brokers in place of the embedded log; `docs/kafka.md`."""

    bootstrap: str  # host:port, several separated by commas
    prefix: str = ""  # of every topic's name
    partitions: int = 12  # of a topic that `streamgauge topics --create` makes, where more than one is right
    replication: int = 1  # copies of a topic that is made
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

    job: str  # the job that the rows are of
    topic: str  # its whole name: no prefix is put before it
    format: Literal["json", "msgpack", "avro", "csv"] = "json"  # how a message is written
    id: str = ""  # the sample's id, for duplicates
    time: str = ""  # when the sample happened
    time_unit: Literal["s", "ms", "us", "iso"] = "s"  # of `time`
    label: str = ""  # field of the label
    prediction: str = ""  # field of the prediction
    prediction_scale: Literal["probability", "logit"] = "probability"  # of what `prediction` holds
    fields: dict[str, str] = {}  # by feature of the job: its field, where that is named otherwise
    schema_file: str = ""  # Avro
    columns: tuple[str, ...] = ()  # CSV, in order
    delimiter: str = ","  # of CSV
    max_age: float | None = None  # samples older than this when they were written are late; seconds
    rows: int = 8_192  # summarised at once, at most
    salt_file: str = ""  # salts the hashes that stand for ids and categories


class Influx(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An InfluxDB (1.8 or newer, 2, 3 Core) as the time-series store."""

    url: str  # its address
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
    host: str = "127.0.0.1"  # address to listen on; any but loopback needs a token
    port: int = 8470  # 0: any
    hosts: tuple[str, ...] = ()  # names by which the page is reached from other machines, without a port
    token_file: str = ""  # holds a token of the page and the API, of an admin without a name
    tokens: tuple[Token, ...] = ()  # others, by person or program, each with a role; only their hashes are kept
    console: bool = True  # whether notifications are printed
    webhooks: tuple[Webhook, ...] = ()  # where they are posted too
    notifiers: tuple[Receiver, ...] = ()  # who else is told, in their own formats
    public_url: str = ""  # where people reach the page; messages link to their incident with it
    page_budget: int = 2  # pages per team and 12-hour shift, hard facts aside; the rest become tickets
    deeper_traces: float = 0.0  # an incident about a layer or the loss asks its worker for so long for more; 0: never
    retention: Retention = Retention()  # how long the store keeps what
    kafka: Kafka | None = None  # None: the embedded log in `data`
    store: Literal["auto", "sqlite", "influx", "both"] = "auto"  # auto: influx where there is [influx], else sqlite
    influx: Influx | None = None  # an InfluxDB as the store
    flink: Flink = Flink()  # how the Flink engine runs
    own: Own = msgspec.field(default=Own(), name="self")  # the job that the pipeline is itself
    bridges: tuple[Bridge, ...] = ()  # sample topics that are read
    jobs: tuple[JobConfig, ...] = ()  # the jobs that are watched
