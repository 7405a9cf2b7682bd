"""Template tags of the console's pages and the home: addresses, numbers, small lines."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.kit.charts import LINE_HEIGHT, LINE_WIDTH, line_of
from neural.kit.sites import address_in_admin
from neural.monitoring.console import tables, texts
from neural.monitoring.console.queue_facts import standing_badge

register = template.Library()

register.simple_tag(address_in_admin, name="console_address")
register.filter("ago", texts.ago)
register.filter("moment", texts.instant)
register.filter("rough", texts.rough)
register.filter("rate", texts.rate)
register.filter("counted", texts.counted)
register.filter("standing_badge", standing_badge)
register.filter("readers_text", tables.readers_text)
register.filter("pause_text", tables.pause_text)


@register.filter
def whole(number: int) -> str:
    """A whole number with a comma at each thousand."""
    return f"{number:,}"


@register.filter
def since(moment: dt.datetime, now: dt.datetime) -> str:
    """How long something has lasted."""
    return texts.rough(now - moment)


@register.filter
def has_list(lists: Mapping[str, str], model: str) -> bool:
    """Whether the viewer may open the list of a model."""
    return model in lists


@register.filter
def list_of(lists: Mapping[str, str], model: str) -> str:
    """The address of a model's list."""
    return lists.get(model, "")


@register.simple_tag
def trend_line(group: Any) -> SafeString:
    """The failed attempts of an error group by hour, from its figures."""
    title = _("%(attempts)d failed attempts in 24 h") % {"attempts": group.attempts_of_day}
    return small_line(line_of(group.trend), title, "console-errors")


@register.simple_tag
def small_line(lines: Sequence[str], title: str, kind: str = "") -> SafeString:
    """A small line from the points of :func:`~neural.kit.charts.line_of`."""
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
