"""Counts failed logins: read before a password is checked, incremented when it was wrong.

Django's own signals report logins, from whatever page or program. The database's clock is used,
since web processes may be on several hosts. Several attempts at the same moment may all pass before
the first is counted: as many as there are threads of web processes.

Whoever knows a name can make it wait. So a browser or an address from which an account has logged
in before is known, and has a count of its own in place of the account's
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
"""

import datetime as dt
import hashlib
import logging
import secrets
import unicodedata
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest

from neural.kit.addresses import client_address
from neural.logins.conf import conf
from neural.logins.models import NAME_LENGTH, CountedBy, LoginFailures

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = dt.timedelta(hours=1)
"""After this time without a failure, since the wait ended, counting starts again."""
KNOWN_FOR = dt.timedelta(days=90)
"""After the last login from there, a browser or an address is unknown again."""
SHOWN_CHARACTERS = 64
FORGOTTEN_AT_ONCE = 100
Key = tuple[CountedBy, str]


def keys_of(*, account: str, address: str) -> Sequence[Key]:
    """The keys that count a login. Accounts always come first, so rows are locked in one order."""
    keys = ((CountedBy.ACCOUNT, _plain(account)), (CountedBy.ADDRESS, address))
    return [key for key in keys if key[1]]


def _plain(account: str) -> str:
    # Cut before: the time that it takes to order accents grows with the square of their number.
    plain = unicodedata.normalize("NFKC", account[:NAME_LENGTH]).casefold()
    return plain.replace("\0", "")[:NAME_LENGTH]


def keys_for(request: HttpRequest | None, account: str) -> Sequence[Key]:
    """The keys that count this login: of a known browser or address, its own in place of the
    account's."""
    address = address_of(request)
    for key in _places(request, account):
        if LoginFailures.objects.filter(counted_by=key[0], name=key[1]).exists():
            return [*keys_of(account="", address=address), key]
    return keys_of(account=account, address=address)


def _places(request: HttpRequest | None, account: str) -> Sequence[Key]:
    """The browser, if it has a cookie, and the address."""
    places = (_browser(getattr(request, "login_browser", "")), address_of(request))
    named = (f"{place} {_plain(account)}"[:NAME_LENGTH] for place in places if place)
    return [(CountedBy.KNOWN, name) for name in named]


def _browser(cookie: str) -> str:
    """What is kept of a cookie, which people with access to the rows could use."""
    return f"browser {hashlib.sha256(cookie.encode()).hexdigest()[:16]}" if cookie else ""


def remember(request: HttpRequest | None, account: str) -> None:
    """Let this browser and this address be known to the account. Nothing is done for a login
    without our middleware, which would not keep the cookie."""
    if not hasattr(request, "login_browser"):
        return
    known = LoginFailures.objects.filter(counted_by=CountedBy.KNOWN)
    if not known.filter(name__startswith=f"{_browser(request.login_browser)} ").exists():  # type: ignore[union-attr]
        # Never one that the client chose: somebody might have planted it.
        request.login_browser = secrets.token_urlsafe(16)  # type: ignore[union-attr]
    request.is_login = True  # type: ignore[union-attr]
    for kind, name in _places(request, account):
        now = {"failures": 0, "failed_at": Now(), "waits_until": Now()}
        known.update_or_create(counted_by=kind, name=name, defaults=now)


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
        CountedBy.KNOWN: settings.login_failures,
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
    is_old = Q(waits_until__lt=Now() - FORGOTTEN_AFTER) & ~Q(counted_by=CountedBy.KNOWN)
    old = LoginFailures.objects.filter(is_old | Q(waits_until__lt=Now() - KNOWN_FOR))
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
    address = address_of(request) or "-"
    logger.warning("event=login_failed user=%r address=%s", shown(account), address)
    count_failure(keys_for(request, str(account)))


def on_login(sender: Any, user: Any, request: HttpRequest | None = None, **_: Any) -> None:
    """Forget the failures of an account whose owner has logged in, and remember from where."""
    forgive(user.get_username())
    remember(request, user.get_username())
