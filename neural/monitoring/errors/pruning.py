"""Error groups without failures for long are deleted, with `manage.py prune`."""

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from neural.ledger.prune import Prunable
from neural.monitoring.conf import conf
from neural.monitoring.models import ErrorGroup, ErrorGroupHour, FailedRun

_DEAD_RUNS = FailedRun.objects.filter(dead=True, group=OuterRef("pk"))

OLD_GROUPS = Prunable(
    name="error groups",
    label=_("error groups"),
    which="error groups without a failed attempt for error_groups_kept_days, and without dead runs",
    model=ErrorGroup,
    made_at="first_at",
    aged_from="last_at",
    kept_days=lambda: conf().error_groups_kept_days,
    rows=lambda groups: groups.filter(~Exists(_DEAD_RUNS)),
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
