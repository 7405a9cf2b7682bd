"""What `manage.py prune` deletes of monitoring's tables, and what of them a person is erased from.

Figures of all time stay: counters never fall.
"""

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from neural.ledger.prune import Prunable, register_prunable
from neural.monitoring.conf import conf
from neural.monitoring.errors.folding import groups_changed
from neural.monitoring.models import (
    Alert,
    AlertMessage,
    AlertState,
    ErrorGroup,
    ErrorGroupHour,
    EventFigures,
    Examination,
    FailedRun,
    HourFigures,
    MinuteFigures,
)
from neural.personal.erasing.tables import Erasable, register_erasable

_DEAD_RUNS = FailedRun.objects.filter(dead=True, group=OuterRef("pk"))


def _delete_groups(groups: QuerySet[ErrorGroup]) -> int:
    groups_changed(groups.values_list("pk", flat=True))
    return groups.delete()[1].get(ErrorGroup._meta.label, 0)


FIGURES = (
    Prunable(
        name="figures by minute",
        label=_("figures by minute"),
        which="figures by minute that are older than the setting figures_minutes_kept_days says",
        model=MinuteFigures,
        made_at="minute",
        kept_days=lambda: conf().figures_minutes_kept_days,
    ),
    Prunable(
        name="figures by hour",
        label=_("figures by hour"),
        which="figures by hour that are older than the setting figures_hours_kept_days says",
        model=HourFigures,
        made_at="hour",
        kept_days=lambda: conf().figures_hours_kept_days,
    ),
    Prunable(
        name="figures of events",
        label=_("figures of events"),
        which="numbers of events by hour that are older than this setting says",
        model=EventFigures,
        made_at="hour",
        kept_days=lambda: conf().figures_hours_kept_days,
    ),
)
OLD_GROUPS = Prunable(
    name="error groups",
    label=_("error groups"),
    which="error groups without a failed attempt for error_groups_kept_days, and without dead runs",
    model=ErrorGroup,
    made_at="first_at",
    aged_from="last_at",
    kept_days=lambda: conf().error_groups_kept_days,
    rows=lambda groups: groups.filter(~Exists(_DEAD_RUNS)),
    erase=_delete_groups,
)
OLD_HOURS = Prunable(
    name="hours of error groups",
    label=_("hours of error groups"),
    which="counts of error groups by hour that are older than error_hours_kept_days",
    model=ErrorGroupHour,
    made_at="hour",
    kept_days=lambda: conf().error_hours_kept_days,
)
OLD_RUNS = Prunable(
    name="failed runs of error groups",
    label=_("failed runs of error groups"),
    which="links from error groups to runs that failed more than error_groups_kept_days ago and "
    "are not dead",
    model=FailedRun,
    made_at="failed_at",
    kept_days=lambda: conf().error_groups_kept_days,
    rows=lambda runs: runs.filter(dead=False),
)
OLD_MESSAGES = Prunable(
    name="alert messages",
    label=_("alert messages"),
    which="messages about alerts that are older than the setting alert_messages_kept_days",
    model=AlertMessage,
    made_at="created_at",
    kept_days=lambda: conf().alert_messages_kept_days,
)
RESOLVED_ALERTS = Prunable(
    name="resolved alerts",
    label=_("resolved alerts"),
    which="alerts that were resolved before the days of the setting alerts_kept_days",
    model=Alert,
    made_at="since",
    aged_from="resolved_at",
    kept_days=lambda: conf().alerts_kept_days,
    rows=lambda rows: rows.filter(state=AlertState.RESOLVED),
)
ERASABLES = (
    Erasable(
        name="error groups",
        model=ErrorGroup,
        fields=("message", "root"),
        store="",
        after=lambda groups, _: groups_changed(group.pk for group in groups),
    ),
    Erasable(name="alerts", model=Alert, fields=("facts",), store="store_code"),
    Erasable(
        name="messages about alerts", model=AlertMessage, fields=("content", "answer"), store=""
    ),
    Erasable(name="examinations", model=Examination, fields=("findings", "facts"), store=""),
)


def connect() -> None:
    """Register them with the core."""
    register_prunable(*FIGURES, OLD_GROUPS, OLD_HOURS, OLD_RUNS, OLD_MESSAGES, RESOLVED_ALERTS)
    for each in ERASABLES:
        register_erasable(each)
