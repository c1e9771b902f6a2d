"""The template variables: the data source, what is chosen of the store's tags, and the address of the live page."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import VariableModel, VariableOption, VariableRefresh, VariableSort

from streamgauge.dashboards.grafana.influxql import SOURCE, TYPE, chosen, equals, tag_values
from streamgauge.dashboards.grafana.sources import NAME, UID
from streamgauge.pipelines.adapters.influx.schema import NONE
from streamgauge.pipelines.config.schema import Config

Variable = Builder[VariableModel]
PAGE: Final = f"http://{Config().host}:{Config().port}"  # where `streamgauge run` serves the live page by default
OWN: Final = "pipeline_"  # what the names of the pipeline's own metrics begin with
_ALL: Final = VariableOption(text=["All"], value=["$__all"])


def datasource() -> Variable:
    """Which InfluxDB is asked."""
    return (
        builders.DatasourceVariable("datasource").label("Data source").type(TYPE)
        .description("The InfluxDB that streamgauge writes to").current(VariableOption(text=NAME, value=UID))
    )  # fmt: skip


def page(url: str = PAGE) -> Variable:
    """The address of the live page, seen from a browser; hidden, and not to be changed by a link."""
    return builders.ConstantVariable("page").label("Live page").description("Address of the live page").value(url)


def jobs() -> Variable:
    """Any number of jobs."""
    return _of("job", "Job", "Jobs that closed a window in the range", tag_values("job", "window")).current(_ALL)


def one_job() -> Variable:
    """One job."""
    query = tag_values("job", "window")
    return _variable("job", "Job", "The job looked at", query)


def workers(domain: str, *, is_whole: bool) -> Variable:
    """Any number of workers; NONE is the job as a whole, and with `is_whole` what is chosen at first."""
    query = tag_values("worker", "metric", equals("domain", domain), chosen("job"))
    doc = f"Workers with values in the range; {NONE} is the job as a whole"
    first = VariableOption(text=[NONE], value=[NONE]) if is_whole else _ALL
    return _of("worker", f"Worker ({NONE}: whole job)", doc, query).current(first)


def entities(domain: str, label: str) -> Variable:
    """Any number of features, tensors and so on."""
    query = tag_values("entity", "metric", equals("domain", domain), chosen("job"))
    doc = f"What the values are about; {NONE} is the job or the worker itself"
    return _of("entity", label, doc, query).current(_ALL)


def own_entities() -> Variable:
    """Consumers, watched jobs, disks and so on of the pipeline's own job."""
    query = tag_values("entity", "metric", f'"metric" =~ /^{OWN}/')
    return _of("entity", "Part of the pipeline", "What the pipeline's own values are about", query).current(_ALL)


def metric(domain: str, first: str) -> Variable:
    """One metric of a domain, for the panel that shows any."""
    query = tag_values("metric", "metric", equals("domain", domain), chosen("job"))
    option = VariableOption(text=first, value=first)
    return _variable("metric", "Metric", "The metric of the panel that shows any of them", query).current(option)


def _of(name: str, label: str, doc: str, query: str) -> builders.QueryVariable:
    return _variable(name, label, doc, query).multi(True).include_all(True).all_value(".*")


def _variable(name: str, label: str, doc: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name).label(label).description(doc).datasource(SOURCE).query(query).definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    )  # fmt: skip
