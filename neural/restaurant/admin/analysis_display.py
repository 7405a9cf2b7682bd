"""How changes and unusual days are shown, and the chart of a store's days."""

from collections.abc import Sequence
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.admin.display import NOTHING, badge, quantity
from neural.kit.charts import Bar, standing
from neural.restaurant.analysis.review import SalesDay
from neural.restaurant.analysis.summarising import LEAST_HISTORY, UNUSUAL_SCORE, USUAL_WEEKS
from neural.restaurant.models import DemandSummary

RULE = format_lazy(
    gettext_lazy(
        "A day is unusual when a dish sold at least {score:g} median absolute deviations more or "
        "less than the median of the same weekday in the {weeks} weeks before, of which at least "
        "{least} must be known. One deviation counts as no less than the square root of that "
        "median. A day on which the store sold nothing at all counts as closed: it is missing, "
        "not zero."
    ),
    score=UNUSUAL_SCORE,
    weeks=USUAL_WEEKS,
    least=LEAST_HISTORY,
)
CHANGE_RULE = gettext_lazy(
    "The change is on the week before, like with like: only days that are known in both weeks "
    "are compared."
)


def change(ratio: float | None) -> str:
    """A ratio in per cent, with its sign: +12.3%, −8.0%."""
    if ratio is None:
        return NOTHING
    text = f"{ratio:+.1%}".replace("-", "−")
    return "0.0%" if text[1:] == "0.0%" else text


def days_compared(days: int) -> str:
    """How many days a change is based on."""
    return ngettext("%(count)d day compared", "%(count)d days compared", days) % {"count": days}


def unusual_badge(summary: DemandSummary) -> SafeString | str:
    """Whether a day was unusually high or low, with the usual quantity."""
    if not summary.unusual:
        return NOTHING
    high = (summary.score or 0) > 0
    label = _("unusually high") if high else _("unusually low")
    usual = _("usually %(quantity)s") % {"quantity": quantity(summary.usual_quantity)}
    visible = badge("high" if high else "low", label)
    return format_html('{} <small class="neural-usual">{}</small>', visible, usual)


def bars(days: Sequence[SalesDay]) -> Sequence[Bar]:
    """A bar for each day with known sales."""
    known = [(place, day, day.quantity) for place, day in enumerate(days) if day.quantity]
    top = highest(days) or Decimal(1)
    return [_bar(place, day, float(sold / top)) for place, day, sold in known]


def highest(days: Sequence[SalesDay]) -> Decimal | None:
    """The largest quantity of these days; None if none is known."""
    return max((day.quantity for day in days if day.quantity), default=None)


def _bar(place: int, day: SalesDay, share: float) -> Bar:
    dishes = ", ".join(each.name or each.dish for each in day.unusual)
    title = f"{date_format(day.day, 'Y-m-d D')}: {quantity(day.quantity)}"
    if dishes:
        title += " · " + _("unusual: %(dishes)s") % {"dishes": dishes}
    kind = "neural-marked" if day.unusual else ""
    return standing(place, share, step=10, height=100, gap=0.2, kind=kind, title=title)
