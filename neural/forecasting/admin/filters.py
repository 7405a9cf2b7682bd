"""The admin's filters for plans, rounds, versions, updates and forecasts."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import DayFilter, EqualityFilter, NumberFilter, choices_of
from neural.forecasting.core.types import label_of, model_types
from neural.forecasting.models import RoundState, Standing, UpdateState


class ModelTypeFilter(EqualityFilter):
    title = _("model type")
    parameter_name = "model_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(each.name, label_of(each.name)) for each in model_types()]


class RoundStateFilter(EqualityFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(RoundState)


class StandingFilter(EqualityFilter):
    title = _("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(Standing)


class UpdateStateFilter(EqualityFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(UpdateState)


class RoundFilter(NumberFilter):
    title = _("round")
    parameter_name = "round"


class MadeOnFilter(DayFilter):
    title = _("made after")
    parameter_name = "made_on"
    field = "made_on"
