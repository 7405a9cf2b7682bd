"""The alert rules of training and forecasts; neural.monitoring imports them if it is installed."""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.forecasting.admin.display import per_cent
from neural.forecasting.models import ForecastAccuracy, TrainingPlan, TrainingRound
from neural.forecasting.models.round import FAILED_STATES, ROUND_REASONS, RoundState
from neural.forecasting.outlook.accuracy import by_horizon, lately
from neural.monitoring.alerts.rules import (
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    register_rule,
)


def _training_failed(view: View, thresholds: Thresholds) -> Judgement:
    """The last round of each plan that was not cancelled has failed. A rejected model is no
    failure: the one before stays in force."""
    found = []
    for plan in TrainingPlan.objects.order_by("pk"):
        closed = TrainingRound.objects.closed().exclude(state=RoundState.CANCELLED)
        last = closed.filter(model_type=plan.model_type).order_by("-pk").first()
        if last is not None and last.state in FAILED_STATES:
            facts = {"round": last.pk, "reason": last.reason, "detail": last.detail}
            found.append(Condition(subject=last.model_type, facts=facts))
    return Judgement(found)


def _sentence(subject: str, facts: Facts) -> str:
    reason = ROUND_REASONS.get(facts["reason"], facts["reason"])
    text = _("round %(round)d of %(model)s failed: %(reason)s") % {
        "round": facts["round"],
        "model": subject,
        "reason": reason,
    }
    return f"{text} ({facts['detail']})" if facts["detail"] else text


TRAINING_FAILED = Rule(
    name="training_failed",
    title=gettext_lazy("Training has failed"),
    judge=_training_failed,
    sentence=_sentence,
    page="neural_forecasting_traininground_changelist",
    rows=lambda model_type, facts: {"model_type": model_type},
)
register_rule(TRAINING_FAILED)


LOST_DAYS, LEAST_LOST_DAYS = 14, 10


def _forecasts_lose(view: View, thresholds: Thresholds) -> Judgement:
    """The simple rule was nearer to what was sold, over all stores and the last two weeks."""
    rows = lately(ForecastAccuracy.objects.filter(horizon=1), days=LOST_DAYS)
    known = rows.filter(day__gte=view.now - dt.timedelta(days=2 * LOST_DAYS))
    if known.values("day").distinct().count() < LEAST_LOST_DAYS:
        return Judgement()
    (line,) = by_horizon(known)
    facts = {"error": line.wape, "rule_error": line.rule_wape}
    return Judgement([Condition(facts=facts)] if line.loses else [])


def _lost(subject: str, facts: Facts) -> str:
    text = _(
        "in the last two weeks, forecasts of the next day were off by %(error)s of what was sold; "
        "the mean of the last four same weekdays by %(rule_error)s"
    )
    return text % {name: per_cent(each) for name, each in facts.items()}


FORECASTS_LOSE = Rule(
    name="forecasts_lose",
    title=gettext_lazy("A simple rule forecasts better"),
    judge=_forecasts_lose,
    sentence=_lost,
    remedy=gettext_lazy(
        "The page of forecasts says which stores it concerns. Roll back to the version before, or "
        "start a round."
    ),
    page="neural_forecasting_forecast_accuracy",
)
register_rule(FORECASTS_LOSE)
