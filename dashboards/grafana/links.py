"""Links from a dashboard to the others and to the live page, with the job and the time range in them."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DashboardLink, DashboardLinkType

TAG: Final = "streamgauge"
_GRAFANA_RANGE: Final = "from=${__from}&to=${__to}"
_PAGE_RANGE: Final = "from=${__from:date:seconds}&to=${__to:date:seconds}"
Link = builders.DashboardLink


def uid(board: str) -> str:
    """The fixed identity of a dashboard, part of its address."""
    return f"{TAG}-{board}"


def between() -> list[Builder[DashboardLink]]:
    """What the head of every dashboard shows: its siblings and the live page."""
    siblings = Link("Streamgauge").type(DashboardLinkType.DASHBOARDS).tags([TAG]).include_vars(True).keep_time(True)
    page = Link("Live page").type(DashboardLinkType.LINK).url(f"${{page}}/#/overview?{_PAGE_RANGE}")
    return [siblings, page.icon("external link").target_blank(True).tooltip("The page that streamgauge itself serves")]


def to_board(board: str, title: str, job: str) -> Link:
    """A data link to another dashboard; `job` is the expression of the job, such as `${__data.fields.job}`."""
    named = f"var-job={_encoded(job)}&var-datasource=${{datasource}}"
    return Link(title).url(f"/d/{uid(board)}?{named}&{_GRAFANA_RANGE}")


def to_page(title: str, job: str, view: str = "job", **more: str) -> Link:
    """A data link to a view of the live page."""
    query = "&".join(f"{key}={_encoded(value)}" for key, value in {"job": job, **more}.items())
    return Link(title).url(f"${{page}}/#/{view}?{query}&{_PAGE_RANGE}").target_blank(True)


def _encoded(expression: str) -> str:
    """An expression as part of an address, whatever the name holds.

    >>> _encoded("${__data.fields.job}"), _encoded("flights")
    ('${__data.fields.job:percentencode}', 'flights')
    """
    return expression[:-1] + ":percentencode}" if expression.endswith("}") else expression

