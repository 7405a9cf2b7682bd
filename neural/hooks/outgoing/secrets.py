"""The secrets of a subscription: a new one, and the one before it while the receiver changes over.

Each is returned once, when it is made, to be shown to the person who made it. Afterwards it is only
in the database, encrypted.
"""

import datetime as dt

from neural.hooks.models import Subscription
from neural.hooks.outgoing.signing import new_secret

OVERLAP = dt.timedelta(hours=24)
"""For how long messages are signed with the former secret, too."""


def rotate_secret(subscription: Subscription, *, now: dt.datetime) -> str:
    """Give a saved subscription a new secret, and return it. The one before it signs, too, until
    :data:`OVERLAP` has passed; one before that no longer."""
    secret = new_secret()
    entry: dict[str, str | None] = {"secret": secret, "until": None}
    former = [each | {"until": (now + OVERLAP).isoformat()} for each in subscription.secrets[:1]]
    subscription.secrets = [entry, *former]
    Subscription.objects.filter(pk=subscription.pk).update(secrets=subscription.secrets)
    return secret


def secrets_in_force(subscription: Subscription, *, now: dt.datetime) -> list[str]:
    """The secrets that sign a message now, the newest first."""
    return [
        each["secret"]
        for each in subscription.secrets
        if each["until"] is None or now < dt.datetime.fromisoformat(each["until"])
    ]
