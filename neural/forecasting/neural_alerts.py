"""The alert rule of training; neural.monitoring imports it if it is installed."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.forecasting.models import TrainingPlan, TrainingRound
from neural.forecasting.models.round import FAILED_STATES, ROUND_REASONS, RoundState
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
