"""Which relay examines: the one whose conditional UPDATE takes the lease."""

import datetime as dt

from django.db.models import Q
from django.db.models.functions import Now

from neural.ledger.clock import database_clock
from neural.monitoring.models import Examination


def seconds_left(seconds: float) -> float:
    """For how long the present lease holds, by the database's clock; 0 if it has ended.

    A reading costs no lock, so relays read before they try to take it.
    """
    began = Examination.objects.filter(pk=1).values_list("began_at", flat=True).first()
    if began is None:
        return 0.0
    left = seconds - (database_clock() - began).total_seconds()
    return left if 0 < left <= seconds else 0.0  # the clock may have been set back


def take(seconds: float) -> bool:
    """Take the lease if nobody took it within so many seconds. Of several relays, one gets it."""
    length = dt.timedelta(seconds=seconds)
    ended = Q(began_at=None) | Q(began_at__lte=Now() - length) | Q(began_at__gt=Now() + length)
    if Examination.objects.filter(ended, pk=1).update(began_at=Now()):
        return True
    if Examination.objects.filter(pk=1).exists():
        return False
    Examination.objects.bulk_create([Examination(pk=1)], ignore_conflicts=True)
    return bool(Examination.objects.filter(ended, pk=1).update(began_at=Now()))
