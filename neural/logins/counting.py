"""The counts: read before a password is looked at, raised when it was wrong, as Django's own
signals say of logins from whatever page or program.

By the database's clock, since web processes may be on several hosts. Several attempts at the same
moment may all pass before the first is counted: as many as there are threads of web processes.
"""

import datetime as dt
import ipaddress
import logging
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest

from neural.logins.conf import conf
from neural.logins.models import NAME_LENGTH, CountedBy, LoginFailures

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = dt.timedelta(hours=1)
"""Of peace, after the wait: then counting starts anew."""
IPV6_SITE = 64
"""Bits: one customer has at least as many addresses as fit behind them."""
SHOWN_CHARACTERS = 64
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


def wait_after(failures: int, *, free: int, first: float, longest: float) -> dt.timedelta:
    """The wait after so many failures: none below ``free``, then ``first`` seconds, doubling to
    at most ``longest``."""
    if failures < free:
        return dt.timedelta(0)
    doublings = min(failures - free, 32)  # beyond, a float would run out before the bound is met
    return dt.timedelta(seconds=min(first * 2**doublings, longest))


def address_of(request: HttpRequest | None) -> str:
    """The client's address; of IPv6 its network. Empty where there is none, as on a socket.

    ``X-Forwarded-For`` is written by whoever sends the request: only what the setting
    ``login_proxies`` says that proxies of one's own have added, counted from the end, is read.
    """
    if request is None:
        return ""
    proxies = conf().login_proxies
    if not proxies:
        return _network(request.META.get("REMOTE_ADDR", ""))
    named = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    # Fewer than there are proxies: it did not come through all of them.
    return _network(named[-proxies]) if len(named) >= proxies else ""


def _network(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), IPV6_SITE), strict=False))


def shown(account: Any) -> str:
    """As much of a name as a log line needs."""
    return str(account)[:SHOWN_CHARACTERS]


def on_failed_login(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Count it, unless it was turned away before the password was looked at."""
    if getattr(request, "login_waits", 0):
        return
    field = get_user_model().USERNAME_FIELD
    account = credentials.get("username") or credentials.get(field) or ""
    address = address_of(request)
    logger.warning("event=login_failed user=%r address=%s", shown(account), address or "-")
    count_failure(keys_of(account=str(account), address=address))


def on_login(sender: Any, user: Any, **_: Any) -> None:
    """The account is its owner's again."""
    forgive(user.get_username())
