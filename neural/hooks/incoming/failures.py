"""Errors of platform classes in the log."""

import logging
import traceback

from neural.hooks.models import WebhookSource

logger = logging.getLogger(__name__)


def log_failure(source: WebhookSource, step: str, error: BaseException) -> None:
    """Log that a platform's class raised, and where; not its message, which may hold a credential
    or what was pushed."""
    logger.error(
        "event=platform_failed source=%s platform=%s step=%s error=%s at=%s",
        source.name,
        source.platform,
        step,
        type(error).__name__,
        place_of(error),
    )


def place_of(error: BaseException) -> str:
    """The file and line that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "-"
