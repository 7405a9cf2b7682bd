"""Handlers of earned points. Neural imports this file when Django starts."""

import neural
from django.db.models import F
from django.db.models.functions import Greatest
from neural.models import NeuralEvent

from loyalty import messenger
from loyalty.events import POINTS_EARNED, PointsEarned
from loyalty.models import Account
from loyalty.search import MEMBERS


class AccountClosed(neural.PermanentError):
    """The guest has closed the account, so a retry cannot help."""


@neural.handles(POINTS_EARNED)
def add_points(event: NeuralEvent, data: PointsEarned) -> None:
    """Add the points. Atomic: they and the run's `succeeded` are one transaction."""
    account, _ = Account.objects.get_or_create(
        store=event.store,
        member=data.member,
        defaults={"last_earned_at": event.occurred_at},
    )
    if account.closed:
        raise AccountClosed(f"the account of {data.member} is closed")
    Account.objects.filter(pk=account.pk).update(
        points=F("points") + data.points,
        last_earned_at=Greatest("last_earned_at", event.occurred_at),
    )
    neural.reindex(collection=MEMBERS.name, store=event.store_id, ids=[data.member])


@neural.handles(POINTS_EARNED, retry=neural.RetryPolicy(max_retries=5, base_seconds=30))
async def notify_member(event: NeuralEvent, data: PointsEarned) -> str:
    """Send the guest a message. Two-step: it may run twice, so the message has a key."""
    return await messenger.send(
        key=f"{event.store_id}/{event.source}/{event.event_id}",
        to=data.member,
        text=f"You have earned {data.points} points.",
    )
