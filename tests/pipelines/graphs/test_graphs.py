"""Graphs of others become edges: each format is read as data, what does not fit is named, and what comes out loads."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.anomaly.types import Edge
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.config.loading import parse
from streamgauge.pipelines.graphs import backstage, csv_edges, edges, feast, protobuf, service_graph
from streamgauge.pipelines.graphs.edges import Found, GraphError

REGISTRY = Path(__file__).with_name("registry.db")  # `feast apply` of Feast 0.67 wrote it
METRIC = service_graph.METRIC
PROMETHEUS = f"""\
# TYPE {METRIC} counter
{METRIC}{{client="shop backend",server="article-service",connection_type="",failed="false"}} 7 1767225600000
{METRIC}{{client="click-log",server="joiner",connection_type="messaging_system"}} 3
{METRIC}{{client="article-service",server="say \\"hi\\""}} 1
{METRIC}{{client="user",server=""}} 1
other_total{{client="a",server="b"}} 1
"""
CATALOGUE = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: Ranker, namespace: ads}
spec:
  type: service
  dependsOn: [resource:default/orders-db, component:joiner]
  consumesApis: [clicks]
  providesApis: [scores]
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: joiner, namespace: ads}
spec: {type: service, subcomponentOf: ranker}
---
kind: User
metadata: {name: ada}
"""


def pairs(found: Found) -> set[tuple[str, str]]:
    return {(edge.cause, edge.effect) for edge in found.edges}


def test_a_service_graph_points_from_the_called_to_the_caller_and_along_a_queue(tmp_path: Path) -> None:
    path = tmp_path / "graph.prom"
    path.write_text(PROMETHEUS)
    found = service_graph.read(path)
    assert pairs(found) == {
        ("service:article-service", "service:shop%20backend"), ("service:click-log", "service:joiner"),
        ('service:say%20"hi"', "service:article-service"),
    }  # fmt: skip
    assert found.notes == ["1 series lack client or server and are left out"]


@pytest.mark.parametrize("value", [
    {"status": "success", "data": {"result": [{"metric": {"client": "a", "server": "b"}, "value": [0, "1"]}]}},
    {"status": "success", "data": [{"__name__": METRIC, "client": "a", "server": "b"}, {"__name__": "up"}]},
    {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": METRIC, "sum": {"dataPoints": [{"attributes": [
        {"key": "client", "value": {"stringValue": "a"}}, {"key": "server", "value": {"stringValue": "b"}},
    ]}]}}]}]}]},
])  # fmt: skip
def test_a_service_graph_is_read_as_json_of_prometheus_and_of_otlp(tmp_path: Path, value: object) -> None:
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(value))
    assert pairs(service_graph.read(path)) == {("service:b", "service:a")}


def test_a_catalogue_points_from_what_is_needed_to_who_needs_it_and_names_ends_that_are_elsewhere(
    tmp_path: Path,
) -> None:
    path = tmp_path / "catalog-info.yaml"
    path.write_text(CATALOGUE)
    found = backstage.read(path)
    assert pairs(found) == {
        ("resource:orders-db", "component:ads/ranker"), ("component:ads/joiner", "component:ads/ranker"),
        ("api:ads/clicks", "component:ads/ranker"), ("component:ads/ranker", "api:ads/scores"),
    }  # fmt: skip
    assert found.notes == [
        "3 ends are not described in catalog-info.yaml: api:ads/clicks, api:ads/scores, resource:orders-db"
    ]


def test_a_registry_of_feast_gives_sources_features_and_what_is_computed_from_them() -> None:
    found = pairs(feast.read(REGISTRY))
    assert {("source:users_table", "feature:age"), ("source:clicks_push", "feature:ctr_7d")} <= found
    assert {("feature:age", "feature:age_at_night"), ("source:request", "feature:age_at_night")} <= found
    assert {
        ("source:users_table", "feature:profile__city"),
        ("source:clicks_table", "feature:behaviour__city"),
    } <= found
    assert pairs(feast.read(REGISTRY, "ranker")) <= found


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with contextlib.suppress(GraphError):
        protobuf.fields(data)


@pytest.mark.parametrize(("form", "text", "said"), [
    ("csv", "from,to\na,b\n", "its first line must name the columns cause and effect"),
    ("csv", "cause,effect\na b,c\n", ":2: 'a b' is no place"),
    ("csv", "cause,effect,weight\na,b,2\n", ":2: weight must be 0..1, got '2'"),
    ("otel", "up 1\n", f"has no {METRIC} with client and server"),
    ("otel", "{\n", ":1: no JSON"),
    ("otel", "[" * 100_000, "nested too deeply"),
    ("backstage", "a: [", "is no YAML"),
    ("backstage", "kind: User\n", "describes no Component"),
    ("feast", "SQLite format 3", "is no registry of Feast"),
    ("feast", "", "holds no feature views"),
])  # fmt: skip
def test_a_file_that_is_no_such_graph_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, text: str, said: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert main(["topology", "import", str(path), "--from", form]) == 2
    assert said in capsys.readouterr().err


def test_what_is_printed_is_the_topology_of_a_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "graph.prom"
    path.write_text(PROMETHEUS)
    asked = ["topology", "import", str(path), "--from", "otel", "--rename", "service:article-service=source:articles"]
    assert main(asked) == 0
    (job,) = parse('[[jobs]]\nname = "ctr"\n' + capsys.readouterr().out).jobs
    assert Edge("source:articles", "service:shop%20backend") in job.topology
    assert len(job.topology) == 3
    assert main([*asked, "--job", "ctr"]) == 0
    assert parse("[jobs.ctr]\n" + capsys.readouterr().out).jobs[0].topology == job.topology


def test_loops_repetitions_missing_ends_and_cycles_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("cause,effect\na,a\na,b\na,b\nb,a\n,c\nd,\nx,y\n")
    assert main(["topology", "import", str(path), "--json", "--rename", "z=source:z"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [(one["cause"], one["effect"]) for one in found["edges"]] == [("a", "b"), ("b", "a"), ("x", "y")]
    assert found["notes"] == [
        "lines without both ends are left out: 2, the first is line 6",
        "edges from a place to itself are left out: 1 (a)",
        "edges that are there before are left out: 1",
        "no place 'z' is there to be renamed",
        "a cycle of 2 places: a, b",
    ]
    assert "3 edges between 4 places" in said.err


def test_a_graph_too_large_for_a_job_is_cut_to_what_leads_to_its_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edges.csv"
    rows = "".join(f"s:{i},s:{i + 1}\n" for i in range(edges.MOST + 1))
    path.write_text(f"cause,effect\n{rows}")
    asked = ["topology", "import", str(path)]
    assert main(asked) == 2
    assert "20,001 edges, and a job takes at most 20,000; keep what leads" in capsys.readouterr().err
    assert main([*asked, "--near", "s:9", "--hops", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["edges"]
    assert [(one["cause"], one["effect"]) for one in found] == [("s:6", "s:7"), ("s:7", "s:8"), ("s:8", "s:9")]
    assert main([*asked, "--near", "nowhere"]) == 2
    assert "no place 'nowhere' is in this graph" in capsys.readouterr().err


def test_more_edges_than_can_be_read_are_refused_before_they_fill_the_memory() -> None:
    one = Edge("a", "b")
    with pytest.raises(GraphError, match="more than 2,000,000 edges"):
        edges.bounded((one for _ in range(edges.MOST_READ + 1)), "edges.csv")


def test_a_large_cycle_is_told_as_one_that_explains_little(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("cause,effect\n" + "".join(f"s:{i},s:{(i + 1) % 30}\n" for i in range(30)))
    (note,) = edges.tidied(csv_edges.read(path), {}).notes
    assert note.startswith("a cycle of 30 places (too large to say which began")
    assert note.endswith("and 25 more")
