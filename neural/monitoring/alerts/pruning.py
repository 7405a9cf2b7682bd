"""Messages about alerts are deleted by age, with `manage.py prune`."""

from neural.ledger.prune import Prunable
from neural.monitoring.conf import conf
from neural.monitoring.models import AlertMessage

OLD_MESSAGES = Prunable(
    name="alert messages",
    which="messages about alerts that are older than the setting alert_messages_kept_days",
    model=AlertMessage,
    made_at="created_at",
    aged_from="created_at",
    kept_days=lambda: conf().alert_messages_kept_days,
)
