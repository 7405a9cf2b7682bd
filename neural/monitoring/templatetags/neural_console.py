"""Template tags of the console's pages: addresses, numbers, filters and cells of lists."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from neural.monitoring.admin.filter_row import filter_row
from neural.sites import address_in_admin

register = template.Library()

register.simple_tag(address_in_admin, name="console_address")
register.simple_tag(filter_row, name="filter_row")


@register.filter
def whole(number: int) -> str:
    """A whole number with a comma at each thousand."""
    return f"{number:,}"


@register.filter
def rate(number: float) -> str:
    """A number a minute: small ones with one decimal."""
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


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
