"""A task of the loyalty app that belongs to no event."""

import datetime as dt

import neural
from celery import shared_task
from django.utils import timezone

from loyalty.models import Account


@shared_task(base=neural.LedgerTask, name="loyalty.tasks.expire_points", atomic=True)
def expire_points(store: str, days: int) -> int:
    """Remove the points of guests who earned none for `days` days; returns how many guests."""
    since = timezone.now() - dt.timedelta(days=days)
    idle = Account.objects.filter(store=store, points__gt=0, last_earned_at__lt=since)
    return idle.update(points=0)
