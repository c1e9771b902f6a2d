"""The commands that run the pipeline and its parts, on this machine, on Kafka, Flink and Grafana."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from streamgauge.pipelines.grammar.arguments import add, config, json, seconds

if TYPE_CHECKING:
    from streamgauge.pipelines.grammar.arguments import Commands


def add_run(commands: Commands) -> None:
    """The pipeline itself, and its parts by themselves."""
    run = add(
        commands, "run", "start the pipeline and its HTTP surface",
        example="streamgauge run --config streamgauge.toml",
    )
    config(run)
    run.add_argument("--host", help="address to listen on, instead of the configured one")
    run.add_argument("--port", type=int, help="port to listen on, instead of the configured one; 0: any")
    run.add_argument("--engine", choices=["embedded", "faust", "flink"], help="instead of the configured one")
    run.add_argument("--elsewhere", action="store_true", help="the engine runs by itself: on a cluster, or as `engine`")
    bridge = add(
        commands, "bridge", "read a job's own sample topic where the job embeds no tracer",
        example="streamgauge bridge --config streamgauge.toml",
    )
    bridge.add_argument("--topic", default="", help="only the bridge of this topic")
    bridge.add_argument("--once", action="store_true", help="end where the topic ends")
    config(bridge)
    engine = add(
        commands, "engine", "host only the operators, beside a run of the same configuration",
        example="streamgauge engine faust --config streamgauge.toml",
    )
    engine.add_argument("engine", choices=["faust", "flink"], help="of Faust, any number share the work")
    config(engine)
    engine.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
    engine.add_argument("--parallelism", type=int, help="slots of Flink, instead of the configured number")
    engine.add_argument("--connector-jar", help="Flink's Kafka connector, instead of the configured one")


def add_keeping(commands: Commands) -> None:
    """What a data folder keeps."""
    jobs = add(
        commands, "jobs", "list the jobs and what removed ones left behind; forget or adopt that",
        example="streamgauge jobs --adopt ctr click_rate --config streamgauge.toml",
    )
    what = jobs.add_mutually_exclusive_group()
    what.add_argument("--forget", default="", metavar="JOB", help="let its parked state go, for ever")
    what.add_argument("--adopt", nargs=2, metavar=("OLD", "NEW"), help="begin NEW with what was learnt of OLD")
    json(jobs)
    config(jobs)
    verify = add(
        commands, "verify", "walk log, state and store, and say what is damaged",
        example="streamgauge verify --config streamgauge.toml",
    )
    verify.add_argument("--forget", default="", metavar="JOB", help="take away the state of a job, or of the pager")
    verify.add_argument("--drop", action="store_true", help="take the damaged rows out of the store")
    json(verify)
    config(verify)
    replay = add(
        commands, "replay", "run a recorded log through the same operators, pager and store",
        example="streamgauge replay --log streamgauge-data/log.db --config streamgauge.toml --data replayed",
    )
    replay.add_argument("--log", type=Path, required=True, help="a recorded log, log.db in a data folder; only read")
    json(replay)
    config(replay)


def add_token(commands: Commands) -> None:
    """Who may ask over HTTP."""
    token = add(
        commands, "token", "make a token for the page and the API, and print what lets it in",
        example="streamgauge token --name ada --role operator",
    )
    token.add_argument("--name", required=True, help="whose it is: what is done with it is kept under this name")
    roles = "viewer", "operator", "admin"
    does = "reads; acts too; acts in others' names too (operator)"
    token.add_argument("--role", choices=roles, default="operator", help=does)
    json(token)


def add_topics(commands: Commands) -> None:
    """The topics on Kafka."""
    topics = add(
        commands, "topics", "show the topics on Kafka, and what is not as it must be",
        example="streamgauge topics --create --config streamgauge.toml",
    )
    topics.add_argument("--config", type=Path, default=Path("streamgauge.toml"), help="(streamgauge.toml)")
    json(topics)
    what = topics.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="exit with 1 if something differs")
    what.add_argument("--create", action="store_true", help="make those that are missing")
    what.add_argument("--alter", action="store_true", help="set settings that differ; a shorter retention deletes")


def add_flink(commands: Commands) -> None:
    """A job on a Flink cluster."""
    flink = add(
        commands, "flink", "run the job on a Flink cluster; `engine flink` needs none",
        example="streamgauge flink submit --jobmanager 127.0.0.1:8081 --parallelism 2 --config streamgauge.toml",
    )
    actions = flink.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("fetch", help="get Flink's Kafka connector with Maven")
    submit = actions.add_parser("submit", help="start the job on a cluster")
    submit.add_argument("--parallelism", type=int, help="slots, instead of the configured number")
    submit.add_argument("--savepoint", default="", help="path or URI to go on from")
    submit.add_argument("--checkpoints", default="", help="path or URI where checkpoints go (the cluster's setting)")
    submit.add_argument("--python", default="python3", help="interpreter on the TaskManagers (python3)")
    submit.add_argument("--connector-jar", help="Flink's Kafka connector, instead of the configured one")
    for name, text in (("savepoint", "save the state of the running job"), ("stop", "save it and end the job")):
        save = actions.add_parser(name, help=text)
        save.add_argument("--to", required=True, metavar="FOLDER", help="path or URI that all of Flink reaches")
        save.add_argument("--job", default="", help="its id, where several run")
        _cluster(save)
    _cluster(submit)


def _cluster(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobmanager", required=True, metavar="HOST:PORT", help="its REST address")
    config(command)


def add_grafana(commands: Commands) -> None:
    """Dashboards."""
    grafana = add(
        commands, "grafana", "write the Grafana dashboards as files, or publish them",
        example="streamgauge grafana publish --url http://127.0.0.1:3000 --token-file grafana.token",
    )
    actions = grafana.add_subparsers(dest="action", required=True, metavar="ACTION")
    write = actions.add_parser("write", help="write the files that Grafana is provisioned with")
    write.add_argument("folder", type=Path, help="gets provisioning/ and json/")
    publish = actions.add_parser("publish", help="bring a running Grafana up to date; again and again if need be")
    publish.add_argument("--url", required=True, help="address of Grafana, with its path if it has one")
    publish.add_argument("--token-file", type=Path, help="its token (environment: STREAMGAUGE_GRAFANA_TOKEN)")
    publish.add_argument("--influx", default="http://127.0.0.1:8086", help="InfluxDB as Grafana sees it (%(default)s)")
    publish.add_argument("--bucket", default="streamgauge", help="bucket, or database of InfluxDB 1 (streamgauge)")
    publish.add_argument("--influx-token-file", type=Path, help="its token (environment: STREAMGAUGE_INFLUX_TOKEN)")
    publish.add_argument("--wait", type=seconds, default=0.0, help="try again for so long, such as 60s (0)")
    for action in (write, publish):
        action.add_argument("--page", default="", help="address of the live page, for the links to it")
