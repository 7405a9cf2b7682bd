"""Template tags of the console's pages and the home: addresses, numbers, filters, small lines."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.contrib.admin.views.main import SEARCH_VAR
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
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
def labelled(
    cells: Iterable[SafeString], headers: Iterable[Mapping[str, Any]]
) -> Iterator[SafeString]:
    """The cells of a row of Django's list, each with the heading of its column, which a phone shows
    in front of the value."""
    for cell, header in zip(cells, headers, strict=True):
        # The heading of the boxes that choose rows is a box itself, and no text.
        text = "" if "action-checkbox" in str(header.get("class_attrib")) else header["text"]
        label = format_html('<td data-label="{}" ', capfirst(text))
        # What is replaced and what replaces it are both HTML already.
        yield mark_safe(cell.replace("<td ", label, 1))  # noqa: S308


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


@dataclass(frozen=True, kw_only=True)
class Field:
    """A filter as a field of a form."""

    name: str
    title: Any
    value: str
    choices: Sequence[tuple[str, Any]]
    is_typed: bool
    """Whether its value may be one that is not among the choices."""
    has_usual: bool
    """Whether it chooses something when nothing is asked for, so that 'all' is a choice of its
    own."""

    @property
    def options(self) -> Sequence[tuple[str, Any]]:
        """The choices, and what is chosen though nobody offers it any more."""
        if self.value and self.value not in dict(self.choices):
            return [*self.choices, (self.value, self.value)]
        return self.choices


@dataclass(frozen=True, kw_only=True)
class FilterRow:
    """The fields, and what else the address of the list says."""

    fields: Sequence[Field]
    hidden: Sequence[tuple[str, str]]
    is_chosen: bool
    """Whether anything is searched or filtered."""


@register.simple_tag
def filter_row(changelist: Any) -> FilterRow:
    """The row of a list's filters."""
    fields = [_field(each) for each in changelist.filter_specs]
    mine = {each.name for each in fields} | {SEARCH_VAR}
    hidden = [
        (name, value)
        for name, values in changelist.filter_params.items()
        if name not in mine
        for value in values
    ]
    chosen = any(spec.value() for spec in changelist.filter_specs)
    return FilterRow(fields=fields, hidden=hidden, is_chosen=chosen or bool(changelist.query))


def _field(spec: Any) -> Field:
    usual = getattr(spec, "usual", "")
    return Field(
        name=spec.parameter_name,
        title=spec.title,
        value=str(spec.value() or usual),
        choices=[(str(value), label) for value, label in spec.lookup_choices],
        is_typed=getattr(spec, "more", False),
        has_usual=bool(usual),
    )
