"""A template tag with the addresses of a list's files."""

from typing import Any

from django import template

from neural.admin.exporting.pages import links_for

register = template.Library()


@register.simple_tag(takes_context=True)
def export_addresses(context: Any) -> list[tuple[str, str]]:
    """Label and address of each format in which the user may have the list that is shown."""
    request = getattr(context, "request", None) or context.get("request")
    shown = getattr(context.get("cl"), "opts", None) or context.get("opts")
    return links_for(request, shown.model) if request and shown else []
