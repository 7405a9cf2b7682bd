"""The admin action *Run now* of a plan: opens a round and shows the result."""

import datetime as dt
from itertools import islice
from typing import Any

from django.contrib import messages
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from neural.admin.actions import Verb
from neural.admin.audit import recording as audit
from neural.admin.display import link
from neural.errors import NeuralError
from neural.forecasting.admin.display import reason
from neural.forecasting.models import TrainingPlan, TrainingRound
from neural.forecasting.rounds.opening import eligible_stores, open_round
from neural.forecasting.sources import demand_source
from neural.ledger.clock import database_clock

MOST_TRIED = 10
"""The number of last sales days that are tried. Stores whose sales ended together share one."""


def open_round_of(plan: TrainingPlan, user: Any) -> bool:
    """Open a round in this user's name. Returns whether a new one was opened."""
    now = database_clock()
    try:
        opened = open_round(
            name=plan.model_type,
            now=now,
            requested_by=user.get_username(),
            as_of=morning_after_the_last_sales(plan, today=now.date()),
        )
    except NeuralError:  # for example, the model type's app was removed
        return False
    return opened.is_new


def morning_after_the_last_sales(plan: TrainingPlan, *, today: dt.date) -> dt.date | None:
    """The day to train as of, if the sales of most stores ended too long ago to train as of today.
    This is so in a demo, or when history is loaded before the tills are connected. None if today
    suffices, or if no day does."""
    if _are_enough(plan, today):
        return None
    mornings = (last + dt.timedelta(days=1) for last in _last_days(plan))
    earlier = (morning for morning in mornings if morning < today)
    return next((day for day in islice(earlier, MOST_TRIED) if _are_enough(plan, day)), None)


def _last_days(plan: TrainingPlan) -> list[dt.date]:
    """The distinct last sales days of stores, the latest first, without the days that fewer than
    the plan's ``least_stores`` reach."""
    return list(dict.fromkeys(list(demand_source().last_days())[plan.least_stores - 1 :]))


def _are_enough(plan: TrainingPlan, today: dt.date) -> bool:
    count = eligible_stores(plan, today=today).count()
    return count >= plan.quorum_of(count)


def what_came_of_it(plan: TrainingPlan) -> tuple[int, SafeString]:
    """The message about the newest round: it is open, or it ended at once for a reason."""
    found = newest_round_of(plan)
    if found is None:
        return messages.WARNING, format_html("{}", _("No round was opened."))
    shown = link(found, f"#{found.pk}")
    if not found.is_open:
        text = _("Round {} ended at once: {}")
        return messages.WARNING, format_html(text, shown, reason(found))
    said = format_html(_("Round {} is open: its page shows how far it is."), shown)
    if day := found.config.get("as_of"):
        why = _(
            "Nothing was sold lately, so it trains as on the morning of {}, after the last sales."
        )
        said = format_html("{} {}", said, format_html(why, day))
    return messages.SUCCESS, said


def newest_round_of(plan: TrainingPlan) -> TrainingRound | None:
    """The plan's newest round, without its large columns; None if there is none."""
    rounds = TrainingRound.objects.filter(model_type=plan.model_type)
    return rounds.defer("server_state", "question").order_by("-pk").first()


def _is_idle(plan: TrainingPlan) -> bool:
    return not TrainingRound.objects.open().filter(model_type=plan.model_type).exists()


RUN_NOW = Verb(
    name="run",
    label=pgettext_lazy("training", "Run now"),
    explanation=gettext_lazy("Run now: open a round of training for these plans"),
    permission="neural_forecasting.run_traininground",
    apply=open_round_of,
    fits=lambda plan: plan.enabled and _is_idle(plan),
    change=lambda plan: audit.ROUND_OPENED,
    message_for=what_came_of_it,
    whole_chain=True,
)
