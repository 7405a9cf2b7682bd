"""The counts: read before a password is looked at, raised when it was wrong.

By the database's clock, since web processes may be on several hosts. Several tries at the same
moment may all pass before the first is counted: as many as there are threads of web processes.
"""

import datetime as dt
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.db import router, transaction
from django.db.models import Q
from django.db.models.functions import Now

from neural.logins.conf import conf
from neural.logins.models import NAME_LENGTH, CountedBy, LoginFailures
from neural.logins.waiting import FORGOTTEN_AFTER, wait_after

FORGOTTEN_AT_ONCE = 100
Key = tuple[CountedBy, str]


def keys_of(*, account: str, address: str) -> Sequence[Key]:
    """By what a login is counted. Accounts first, always: whoever counts locks in that order."""
    plain = unicodedata.normalize("NFKC", account).casefold().replace("\0", "")[:NAME_LENGTH]
    keys = ((CountedBy.ACCOUNT, plain), (CountedBy.ADDRESS, address))
    return [key for key in keys if key[1]]


def longest_wait(keys: Sequence[Key]) -> tuple[dt.timedelta, str]:
    """How long still, and by which of them; nothing and '' when it may be tried."""
    found = [(row.waits(row.now), row.counted_by) for row in _rows(keys)]
    return max(found, default=(dt.timedelta(0), ""))


def count_failure(keys: Sequence[Key]) -> None:
    """One more, for each of them."""
    with transaction.atomic(using=router.db_for_write(LoginFailures)):
        new = [LoginFailures(counted_by=kind, name=name) for kind, name in keys]
        LoginFailures.objects.bulk_create(new, ignore_conflicts=True)
        for row in _rows(keys).select_for_update():
            _count(row, row.now)
        _forget_the_old()


def forgive(account: str) -> None:
    """The right password was given: the account's failures do not matter any more. Those of an
    address do, or one account of one's own would be a way to try all others."""
    for kind, name in keys_of(account=account, address=""):
        LoginFailures.objects.filter(counted_by=kind, name=name).delete()


def _rows(keys: Sequence[Key]) -> Any:
    wanted = Q(pk=None)
    for kind, name in keys:
        wanted |= Q(counted_by=kind, name=name)
    return LoginFailures.objects.filter(wanted).order_by("counted_by").annotate(now=Now())


def _count(row: LoginFailures, now: dt.datetime) -> None:
    if now - max(row.failed_at, row.waits_until) > FORGOTTEN_AFTER:
        row.failures = 0
    settings = conf()
    free = {
        CountedBy.ACCOUNT: settings.login_failures,
        CountedBy.ADDRESS: settings.login_failures_by_address,
    }
    row.failures += 1
    row.failed_at = now
    row.waits_until = now + wait_after(
        row.failures,
        free=free[CountedBy(row.counted_by)],
        first=settings.login_wait_seconds,
        longest=settings.login_wait_cap_seconds,
    )
    row.save(update_fields=("failures", "failed_at", "waits_until"))


def _forget_the_old() -> None:
    """A few: each failure adds two rows at most."""
    old = LoginFailures.objects.filter(waits_until__lt=Now() - FORGOTTEN_AFTER)
    keys = list(old.order_by("waits_until").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    LoginFailures.objects.filter(pk__in=keys).delete()
