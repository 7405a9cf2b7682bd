"""Old alerts are deleted some time after they were resolved."""

from neural.ledger.prune import Prunable
from neural.monitoring.conf import conf
from neural.monitoring.models import Alert, AlertState

RESOLVED_ALERTS = Prunable(
    name="resolved alerts",
    which="alerts that were resolved over a year ago",
    model=Alert,
    made_at="since",
    aged_from="resolved_at",
    kept_days=lambda: conf().alerts_kept_days,
    rows=lambda rows: rows.filter(state=AlertState.RESOLVED),
)
