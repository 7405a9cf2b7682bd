"""The secrets of a subscription: a new one, and the one before it while the receiver changes over.

Each is returned once, when it is made, to be shown to the person who made it. Afterwards it is only
in the database, encrypted.
"""

import datetime as dt
from typing import Any

from neural.hooks.models import Subscription
from neural.outbound.signing import new_secret

OVERLAP = dt.timedelta(hours=24)
"""For how long messages are signed with the former secret, too."""


def rotate_secret(subscription: Subscription, *, now: dt.datetime) -> str:
    """Give a saved subscription a new secret, and return it. The one before it signs, too, until
    :data:`OVERLAP` has passed; one before that no longer."""
    secret = new_secret()
    former = [each | {"until": (now + OVERLAP).isoformat()} for each in _held(subscription)[:1]]
    held: Any = [{"secret": secret, "until": None}, *former]
    subscription.secrets = held
    Subscription.objects.filter(pk=subscription.pk).update(secrets=held)
    return secret


def secrets_in_force(subscription: Subscription, *, now: dt.datetime) -> list[str]:
    """The secrets that sign a message now, the newest first."""
    return [
        each["secret"]
        for each in _held(subscription)
        if each["until"] is None or now < dt.datetime.fromisoformat(each["until"])
    ]


def _held(subscription: Any) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = subscription.secrets
    return held
