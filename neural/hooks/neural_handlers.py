"""The handler of pushes. The event type ``till.pushed`` belongs to ``neural.restaurant``: list that
app before this one. Without it, pushes are kept raw, and a system check says so."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.events.registry import handles
from neural.events.types import TYPES
from neural.hooks.incoming import translating
from neural.hooks.incoming.recording import PUSHED
from neural.models import NeuralEvent

if PUSHED in TYPES:

    @handles(
        PUSHED,
        name=translating.HANDLER,
        atomic=False,
        retry=translating.RETRIES,
        title=_("Translate pushes of platforms"),
    )
    def translate_push(event: NeuralEvent, data: Any) -> dict[str, Any]:
        """Record the events of a push. Two-step: it may ask the platform for details."""
        return translating.translate_push(event)
