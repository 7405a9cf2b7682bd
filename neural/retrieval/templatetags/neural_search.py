"""Template filters of search."""

from django import template

from neural.admin.display import NOTHING
from neural.kit.charts import coordinate
from neural.retrieval.admin import display

register = template.Library()
register.filter("coordinate", coordinate)
register.filter("matches", display.matches_of)
register.filter("highlighted", display.highlight)
register.filter("excerpt", display.excerpt)
register.filter("names", display.shown_names)
register.filter("left_of", lambda names, shown: len(names) - len(shown))
register.filter("reasons", display.reasons_of)
register.filter("label_in", display.label_in)
register.filter("with_pages_and_runs", display.with_pages_and_runs)
register.simple_tag(display.without_limits, takes_context=True)


@register.filter
def counted(number: int | None) -> str:
    """A number with thousands separators."""
    return NOTHING if number is None else f"{number:,}"
