"""Marks for tests of what only some supported Celery versions do (docs/reference/versions.md)."""

import celery
import pytest


def since_celery_5_7(reason: str) -> pytest.MarkDecorator:
    """Skips a test with Celery 5.6, for a reason that docs/reference/versions.md explains."""
    return pytest.mark.skipif(celery.VERSION[:2] < (5, 7), reason=reason)
