"""Old alerts and messages about them are deleted by age, with `manage.py prune`."""

from django.utils.translation import gettext_lazy as _

from neural.ledger.prune import Prunable
from neural.monitoring.conf import conf
from neural.monitoring.models import Alert, AlertMessage, AlertState

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
