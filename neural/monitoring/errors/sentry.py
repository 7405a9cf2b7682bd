"""One Sentry event for each new or reopened error group, where the process has Sentry's SDK."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from neural.monitoring.models import ErrorGroup
from neural.personal.redacting import redacted_text

logger = logging.getLogger(__name__)


def report(groups: Sequence[ErrorGroup]) -> None:
    """Send an event for each new or reopened group, if ``sentry_sdk`` was initialised in this
    process without its CeleryIntegration, by which each dead run is an event. Call it after their
    transaction has committed; an error is logged and goes no further.

    An event holds what the group shows of its cause, so nothing of a payload. Its fingerprint is
    the group's, so Sentry has one issue for each group.
    """
    try:
        _send(groups)
    except Exception:
        logger.exception("event=error_groups_untold listener=sentry groups=%d", len(groups))


def _send(groups: Sequence[ErrorGroup]) -> None:
    sdk: Any = sys.modules.get("sentry_sdk")  # whoever has initialised it has imported it
    if sdk is None or not sdk.is_initialized() or sdk.get_client().get_integration("celery"):
        return
    for group in groups:
        # Scopes of its own: without them, the event would hold what the process did before, which
        # is logs, SQL and a user.
        with sdk.isolation_scope() as isolated, sdk.new_scope() as scope:
            isolated.clear()
            scope.clear()
            sdk.capture_event(_event(group))


def _event(group: ErrorGroup) -> dict[str, Any]:
    module, _, name = group.exception.rpartition(".")
    return {
        "level": "error",
        "logger": "neural.monitoring",
        "fingerprint": ["neural", group.fingerprint],
        "transaction": group.frame,
        "exception": {
            "values": [{"type": name, "module": module, "value": redacted_text(group.message)}]
        },
        "tags": {"neural.error_group": str(group.pk), "neural.reopened": _reopened(group)},
        "extra": {"attempts": group.attempts, "root": group.root},
    }


def _reopened(group: ErrorGroup) -> str:
    return "yes" if group.reopened_at else "no"
