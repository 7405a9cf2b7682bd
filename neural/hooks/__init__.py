"""Webhooks: what tills and delivery platforms push to us, and what we push to others.

``platforms`` has one class a platform, ``incoming`` receives and translates its pushes, and
``outgoing`` delivers events and outcomes to subscriptions. A project mounts the receiving address
with ``path("hooks/", include("neural.hooks.urls"))``.

The public names of this package are for a platform of your own.
"""

from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.hooks.platforms.base import (
        Answer,
        Asked,
        CannotTranslate,
        Client,
        Credential,
        Listed,
        Page,
        Platform,
        Push,
        PushUnreadable,
        Received,
        SignatureRefused,
        Translated,
        register_platform,
    )

__all__ = [
    "Answer",
    "Asked",
    "CannotTranslate",
    "Client",
    "Credential",
    "Listed",
    "Page",
    "Platform",
    "Push",
    "PushUnreadable",
    "Received",
    "SignatureRefused",
    "Translated",
    "register_platform",
]

_HOMES = dict.fromkeys(__all__, "neural.hooks.platforms.base")


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
