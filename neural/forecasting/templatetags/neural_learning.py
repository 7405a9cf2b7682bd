"""Template filters for rounds, versions and forecasts."""

from django import template

from neural.admin import display
from neural.forecasting.admin import charts
from neural.forecasting.admin import display as learning_display
from neural.forecasting.outlook.report import CANDIDATE, ByMethod
from neural.kit.charts import coordinate

register = template.Library()
register.filter("per_cent", learning_display.per_cent)
register.filter("bias", learning_display.bias)
register.filter("gain", learning_display.gain)
register.filter("number", learning_display.number)
register.filter("portions", learning_display.portions)
register.filter("coordinate", coordinate)
register.filter("accuracy_label", learning_display.accuracy_label)
register.filter("reason", learning_display.reason)
register.filter("method_label", learning_display.method_label)
register.filter("method_sentence", learning_display.method_sentence)
register.filter("state_badge", learning_display.state_badge)
register.filter("update_badge", learning_display.update_badge)
register.filter("day_title", charts.day_title)
register.filter("one_line", display.one_line)


@register.filter
def next_day(tomorrow: ByMethod, method: str) -> float | None:
    """The WAPE of a method's next-day forecasts; None if it is not known."""
    return tomorrow.get(method, {}).get("wape")


@register.filter
def dot_kind(method: str) -> str:
    """The CSS class of a method's colour."""
    return method if method in charts.KNOWN else "other"


@register.filter
def is_candidate(method: str) -> bool:
    return method == CANDIDATE
