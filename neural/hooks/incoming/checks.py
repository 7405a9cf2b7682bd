"""System checks of receiving."""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, register

from neural.events.registry import handlers_of
from neural.events.types import TYPES
from neural.hooks.incoming.recording import PUSHED
from neural.hooks.incoming.translating import HANDLER


@register()
def check_pushes_are_translated(**_: Any) -> list[CheckMessage]:
    """Warn if pushes are kept raw, because nobody knows their event type in time."""
    if PUSHED in TYPES and any(each.name == HANDLER for each in handlers_of(PUSHED)):
        return []
    known = "is registered after neural.hooks" if PUSHED in TYPES else "is not registered"
    return [
        checks.Warning(
            f"the event type {PUSHED!r} {known}: what platforms push is kept, but not translated",
            hint="Put 'neural.restaurant' before 'neural.hooks' in INSTALLED_APPS.",
            id="neural_hooks.W001",
        )
    ]
