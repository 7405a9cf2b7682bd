"""Formats rounds, versions and forecasts: badges, methods in words, ratios as per cent."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.display import NOTHING, badge, one_line
from neural.admin.filters import DayFilter, NumberFilter, choice_filter
from neural.forecasting.core.model_types import label_of, model_types
from neural.forecasting.models import (
    ModelVersion,
    RoundState,
    Standing,
    StoreUpdate,
    TrainingRound,
    UpdateState,
)
from neural.forecasting.models.version import FORECAST_METHODS
from neural.forecasting.outlook.accuracy import Accuracy
from neural.kit.sites import address_in_admin
from neural.models import Store

SERVED = "served"

METHOD_LABELS: Mapping[str, Any] = {
    SERVED: gettext_lazy("what was forecast"),
    "candidate": gettext_lazy("the new version"),
    "active": gettext_lazy("the version in force before"),
    "local": gettext_lazy("each store's own model"),  # of rounds of earlier releases
    "weekday_mean": gettext_lazy("mean of the last four same weekdays"),
    "seasonal_naive": gettext_lazy("as on the last same weekday"),
}
"""The methods that are judged, as short labels."""

METHOD_SENTENCES: Mapping[str, Any] = {
    "blend": gettext_lazy("The chain's model with this store's own habits."),
    "personal": gettext_lazy("The chain's model with this store's own habits."),
    "global": gettext_lazy(
        "This store is new: the chain's model at its own level, not yet its own habits."
    ),
    "weekday_mean": gettext_lazy(
        "A simple rule: the mean of the last four same weekdays. No model that can be used is in "
        "force."
    ),
    "seasonal_naive": gettext_lazy(
        "A simple rule: as on the last same weekday. No model that can be used is in force."
    ),
}
"""The methods of forecasts as sentences, for the people in the kitchen."""

QUESTION_LABELS: Mapping[str, Any] = {
    "describe": gettext_lazy("stores say how much they have to learn from"),
    "fit": gettext_lazy("stores improve the linear model"),
    "spread": gettext_lazy("stores say how far they differ"),
    "grow": gettext_lazy("trees are grown"),
    "calibrate": gettext_lazy("the width of the forecast band is measured"),
    "judge": gettext_lazy("stores judge the new model on days that it has not seen"),
    "confirm": gettext_lazy("stores compare it with what was judged, now that it knows those days"),
}
"""What a round is doing, in words, by the kind of its question."""


def state_badge(training: TrainingRound) -> SafeString:
    """The badge of a round's state. A round whose version waits for a person is not shown as
    rejected."""
    if training.state == RoundState.REJECTED and training.reason == "candidate":
        return badge("candidate", _("waits for a person"))
    return badge(training.state, training.get_state_display())


def standing_badge(version: ModelVersion, *, active: bool) -> SafeString:
    """The badge of a version: in force, or what was decided about it."""
    if active:
        return badge("active", _("in force"))
    return badge(version.standing, version.get_standing_display())


def update_badge(update: StoreUpdate) -> SafeString:
    """The badge of a store's part in a round."""
    return badge(update.state, update.get_state_display())


def reason(row: TrainingRound | StoreUpdate) -> str:
    """Why a round or a store's part ended as it did, in words, with the detail."""
    if not row.reason:
        return NOTHING
    detail = row.detail
    if row.reason == "no_better":
        for name, label in METHOD_LABELS.items():
            detail = detail.replace(f"{name}:", f"{label}:")
    elif found := _TOO_FEW.fullmatch(detail):
        values = {"found": found["found"].replace(" of ", " / "), "needed": found["needed"]}
        detail = _("%(found)s; %(needed)s are needed") % values
    return f"{row.explanation} ({detail})" if detail else row.explanation


_TOO_FEW = re.compile(r"(?P<found>\d+(?: of \d+)?); (?P<needed>\d+) are needed")
"""Matches the detail of a round without a quorum, which the database keeps in English."""


def phase(training: TrainingRound) -> str:
    """What a round is doing now, in words."""
    kind = (training.question or {}).get("kind", "")
    return str(QUESTION_LABELS.get(kind, kind) or training.get_state_display())


def method_label(name: str) -> str:
    """The label of a judged method."""
    return str(METHOD_LABELS.get(name, name))


def method_sentence(name: str) -> str:
    """How a forecast was made, in a sentence."""
    return str(METHOD_SENTENCES.get(name) or FORECAST_METHODS.get(name, name))


def per_cent(ratio: float | None) -> str:
    """0.1834 as 18.3%."""
    return NOTHING if ratio is None else f"{ratio:.1%}"


def bias(ratio: float | None) -> str:
    """Forecast / demand as a signed excess: +2.1% is too much."""
    return NOTHING if ratio is None else signed(ratio - 1)


def signed(ratio: float) -> str:
    """A signed percentage; zero has no sign."""
    text = f"{ratio:+.1%}".replace("-", "−")
    return "0.0%" if text[1:] == "0.0%" else text


def gain(ratio: float | None) -> str:
    """How much smaller the new version's error is than the better simple rule's: +12.0%."""
    return NOTHING if ratio is None else signed(ratio)


def accuracy_label(line: Accuracy, names: Mapping[str, str]) -> SafeString | str:
    """What a line of accuracy is about: horizons, a store with the link to its page, or a dish."""
    match line.of:
        case (1, 1):
            return _("the next day")
        case (int(first), int(last)):
            return _("%(first)d to %(last)d days ahead") % {"first": first, "last": last}
        case Store() as store:
            where = address_in_admin("neural_forecasting_forecast_store", store.pk)
            return format_html('<a href="{}">{}</a>', where, one_line(store))
        case dish:
            return one_line(names.get(dish, dish))


def number(value: float | None, digits: int = 3) -> str:
    """A figure without a unit, with this many digits after the point."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def portions(amount: float | None) -> str:
    """A number of portions, to a tenth where that is meaningful."""
    if amount is None:
        return NOTHING
    return f"{amount:.0f}" if amount >= 20 or amount == round(amount) else f"{amount:.1f}"


ModelTypeFilter = choice_filter(
    gettext_lazy("model type"),
    "model_type",
    lambda: ((each.name, label_of(each.name)) for each in model_types()),
)
RoundStateFilter = choice_filter(gettext_lazy("state"), "state", RoundState)
StandingFilter = choice_filter(gettext_lazy("standing"), "standing", Standing)
UpdateStateFilter = choice_filter(gettext_lazy("state"), "state", UpdateState)


class RoundFilter(NumberFilter):
    title = gettext_lazy("round")
    parameter_name = "round"


class MadeOnFilter(DayFilter):
    title = gettext_lazy("made after")
    parameter_name = "made_on"
    field = "made_on"
