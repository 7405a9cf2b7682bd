"""The admin's filters for plans, rounds, versions, updates and forecasts."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import DayFilter, EqualityFilter, NumberFilter, choice_filter
from neural.forecasting.core.model_types import label_of, model_types
from neural.forecasting.models import RoundState, Standing, UpdateState


class ModelTypeFilter(EqualityFilter):
    title = _("model type")
    parameter_name = "model_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(each.name, label_of(each.name)) for each in model_types()]


RoundStateFilter = choice_filter(_("state"), "state", RoundState)
StandingFilter = choice_filter(_("standing"), "standing", Standing)
UpdateStateFilter = choice_filter(_("state"), "state", UpdateState)


class RoundFilter(NumberFilter):
    title = _("round")
    parameter_name = "round"


class MadeOnFilter(DayFilter):
    title = _("made after")
    parameter_name = "made_on"
    field = "made_on"
