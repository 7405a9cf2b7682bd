"""Old figures, which ``manage.py prune`` deletes. Those of all time stay (counters never fall)."""

from django.utils.translation import gettext_lazy as _

from neural.ledger.prune import Prunable
from neural.monitoring.conf import conf
from neural.monitoring.models import EventFigures, HourFigures, MinuteFigures

PRUNABLES = (
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
