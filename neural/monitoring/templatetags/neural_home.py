"""Template filters and tags of the home."""

import datetime as dt
from collections.abc import Mapping, Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from neural.monitoring.console import shown
from neural.monitoring.console.charts import LINE_HEIGHT, LINE_WIDTH

register = template.Library()
register.filter("ago", shown.ago)
register.filter("moment", shown.instant)
register.filter("rough", shown.rough)


@register.filter
def since(moment: dt.datetime, now: dt.datetime) -> str:
    """How long something has lasted."""
    return shown.rough(now - moment)


@register.filter
def has_list(lists: Mapping[str, str], model: str) -> bool:
    """Whether the viewer may open the list of a model."""
    return model in lists


@register.filter
def list_of(lists: Mapping[str, str], model: str) -> str:
    """The address of a model's list."""
    return lists.get(model, "")


@register.simple_tag
def small_line(lines: Sequence[str], title: str, kind: str = "") -> SafeString:
    """A small line from the points of :func:`~neural.monitoring.console.charts.line_of`."""
    return format_html(
        '<svg class="console-line {}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><title>{}</title>{}</svg>',
        kind,
        LINE_WIDTH,
        LINE_HEIGHT,
        title,
        title,
        format_html_join("", '<polyline points="{}"/>', ((points,) for points in lines)),
    )
