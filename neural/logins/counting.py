"""Counts failed logins: read before a password is checked, incremented when it was wrong.

Django's own signals report logins, from whatever page or program. The database's clock is used,
since web processes may be on several hosts. Several attempts at the same moment may all pass before
the first is counted: as many as there are threads of web processes.
"""

import datetime as dt
import logging
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest

from neural.addresses import client_address
from neural.logins.conf import conf
from neural.logins.models import NAME_LENGTH, CountedBy, LoginFailures

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = dt.timedelta(hours=1)
"""After this time without a failure, since the wait ended, counting starts again."""
SHOWN_CHARACTERS = 64
FORGOTTEN_AT_ONCE = 100
Key = tuple[CountedBy, str]


def keys_of(*, account: str, address: str) -> Sequence[Key]:
    """The keys that count a login. Accounts always come first, so rows are locked in one order."""
    plain = unicodedata.normalize("NFKC", account).casefold().replace("\0", "")[:NAME_LENGTH]
    keys = ((CountedBy.ACCOUNT, plain), (CountedBy.ADDRESS, address))
    return [key for key in keys if key[1]]


def longest_wait(keys: Sequence[Key]) -> tuple[dt.timedelta, str]:
    """The longest remaining wait, and whether account or address causes it; 0 and '' for none."""
    found = [(row.waits(row.now), row.counted_by) for row in _rows(keys)]
    return max(found, default=(dt.timedelta(0), ""))


def count_failure(keys: Sequence[Key]) -> None:
    """Count one more failure for each key."""
    with transaction.atomic(using=router.db_for_write(LoginFailures)):
        new = [LoginFailures(counted_by=kind, name=name) for kind, name in keys]
        LoginFailures.objects.bulk_create(new, ignore_conflicts=True)
        for row in _rows(keys).select_for_update():
            _count(row, row.now)
        _forget_the_old()


def forgive(account: str) -> None:
    """Delete the account's failures after a correct password.

    The failures of its address stay: otherwise an account of one's own would be a way to try all
    others.
    """
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
    """Delete some old rows. A few are enough, as each failure adds two rows at most. Those that
    somebody else counts on at this moment are left out: two would wait for each other."""
    old = LoginFailures.objects.filter(waits_until__lt=Now() - FORGOTTEN_AFTER)
    free = old.order_by("waits_until").select_for_update(skip_locked=True)
    keys = list(free.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    LoginFailures.objects.filter(pk__in=keys).delete()


def wait_after(failures: int, *, free: int, first: float, longest: float) -> dt.timedelta:
    """The wait after so many failures.

    None below ``free``, then ``first`` seconds, which double to at most ``longest``.
    """
    if failures < free:
        return dt.timedelta(0)
    doublings = min(failures - free, 32)  # a float would overflow beyond
    return dt.timedelta(seconds=min(first * 2**doublings, longest))


def address_of(request: HttpRequest | None) -> str:
    """The client's address, or its network for IPv6. Empty if there is none, as on a socket."""
    return "" if request is None else client_address(request, proxies=conf().login_proxies)


def shown(account: Any) -> str:
    """A user name, shortened for a log line."""
    return str(account)[:SHOWN_CHARACTERS]


def on_failed_login(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Count a failed login, unless it was rejected before the password was checked."""
    if getattr(request, "login_waits", 0):
        return
    field = get_user_model().USERNAME_FIELD
    account = credentials.get("username") or credentials.get(field) or ""
    address = address_of(request)
    logger.warning("event=login_failed user=%r address=%s", shown(account), address or "-")
    count_failure(keys_of(account=str(account), address=address))


def on_login(sender: Any, user: Any, **_: Any) -> None:
    """Forget the failures of an account whose owner has logged in."""
    forgive(user.get_username())
