"""Who calls: checks the key of a request and its scope, and limits rows to the key's stores.

That a key is in use is written at most once a minute a key and process. This is worth less than
the request that it is about: it skips a row that is locked, waits at most :data:`PATIENCE_MS`, and
what fails is left out until the next minute.
"""

import logging
import math
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja.security.base import AuthBase

from neural.api import keys, limits
from neural.api.conf import conf
from neural.api.models import ApiKey, Scope
from neural.api.problems import MOST_ERRORS, ApiProblem, database_away
from neural.audit import record
from neural.events.answers import Problem
from neural.ledger.dialects import dialect_of
from neural.models import AuditOutcome, AuditSource

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60
PATIENCE_MS = 50
REMEMBERED_KEYS = 10_000
_used_at: dict[int, float] = {}
"""When this process last wrote each key, by its own clock."""


@dataclass(frozen=True)
class Caller:
    """The key of a request; ``request.auth`` of an endpoint."""

    key: ApiKey
    allowance: limits.Allowance = field(default_factory=limits.Allowance, compare=False)

    @cached_property
    def stores(self) -> Collection[str] | None:
        """The codes of the stores that the caller sees and writes; None means every store."""
        return self.key.store_codes()

    @property
    def name(self) -> str:
        """For ``requested_by`` of events and runs."""
        return f"API key {self.key.prefix}"

    def may_use(self, store: str) -> bool:
        """Whether the caller may see and write this store."""
        return self.stores is None or store in self.stores

    def charge_ahead(self) -> None:
        """Charge 1 for a request whose endpoint may charge more; raises like :meth:`charge`."""
        self._take(1)
        self.allowance.paid_ahead = 1

    def charge(self, cost: int) -> None:
        """Take ``cost`` (requests, or events of a batch) from what the key may send.

        Every request has paid 1 before its endpoint is called; that counts towards the first
        charge. Raises :class:`ApiProblem` 429 with ``Retry-After``.
        """
        allowance = self.allowance
        due = max(cost - allowance.paid_ahead, 0)
        if due:
            self._take(due, paid=allowance.paid_ahead)
        allowance.paid_ahead -= cost - due

    def _take(self, cost: int, *, paid: int = 0) -> None:
        settings, allowance, key = conf(), self.allowance, self.key
        allowance.rate = key.rate_per_second or settings.api_rate_per_second
        in_proportion = allowance.rate / settings.api_rate_per_second
        allowance.burst = max(settings.api_rate_burst * in_proportion, 1)
        taken = limits.buckets().take(
            f"key:{key.prefix}", cost=cost, rate=allowance.rate, burst=allowance.burst, paid=paid
        )
        allowance.tokens = taken.tokens
        if taken.granted:
            return
        wait = allowance.seconds_until(cost)
        members: dict[str, Any] = {
            "type": limits.EXCEEDED,
            "violated-policies": [limits.POLICY],
        }
        raise ApiProblem(
            429,
            f"the key {key.prefix} may send {allowance.rate:g} requests and events a second; "
            f"send this again in {wait} s",
            headers={"Retry-After": str(wait), **allowance.headers()},
            remaining=max(math.floor(taken.tokens), 0),
            **members,
        )


class KeyWith(AuthBase):
    """Requires a valid key with one scope.

    The key comes as ``Authorization: Bearer zn_…`` or as ``X-Api-Key: zn_…``. It is looked up in
    the database for each request, so a revoked key is refused at once.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller:
        """The caller. Raises :class:`ApiProblem`: 401 without a valid key, 403 without the scope,
        422 for
        a parameter that the operation does not have, 429 above the key's rate or after too many
        failures, 503 if the database is away."""
        try:
            caller = _caller(request)
        except (OperationalError, InterfaceError) as error:
            raise database_away() from error
        # The answer says where the key stands, also one that refuses.
        request.api_allowance = caller.allowance  # type: ignore[attr-defined]
        caller.charge_ahead()
        if not caller.key.permits(self.scope):
            if self.scope == Scope.RUNS_RETRY:
                _record_refusal(caller, request.path)
            challenge = f'Bearer error="insufficient_scope", scope="{self.scope}"'
            raise ApiProblem(
                403,
                f"the key {caller.key.prefix} does not have the scope {self.scope}",
                headers={"WWW-Authenticate": challenge},
            )
        _refuse_unknown(request)
        write_use(caller.key)
        return caller


class NoKeyOpens(AuthBase):
    """Refuses every request: what protects an endpoint that names no scope by mistake."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Any:
        """Raises :class:`ApiProblem` 403."""
        raise ApiProblem(403, "this endpoint names no scope, so no key opens it")


def _refuse_unknown(request: HttpRequest) -> None:
    """Raise :class:`ApiProblem` 422 for query parameters that the operation does not have, of which
    django-ninja takes no notice: what is mistyped would look like no filter."""
    parameters = request.api_parameters  # type: ignore[attr-defined]
    if unknown := sorted(request.GET.keys() - parameters):
        reason = f"is no parameter here; there are: {', '.join(sorted(parameters)) or 'none'}"
        raise ApiProblem(
            422,
            f"query.{unknown[0]} {reason}",
            errors=[Problem(f"query.{name}", reason) for name in unknown[:MOST_ERRORS]],
        )


def _record_refusal(caller: Caller, address: str) -> None:
    """What asks for an act is recorded in the audit log, although the key does not permit it."""
    record(
        action="run.retry",
        by=caller.name,
        source=AuditSource.API,
        details={"address": address},
        outcome=AuditOutcome.REFUSED,
    )


@sensitive_variables("given")
def _caller(request: HttpRequest) -> Caller:
    given = _given(request)
    key = keys.find(given) if given else None
    if key is None:
        limits.count_failure(request)
        challenge = 'Bearer error="invalid_token"' if given else "Bearer"
        raise ApiProblem(
            401,
            "give a valid key in the header Authorization: Bearer zn_…",
            headers={"WWW-Authenticate": challenge},
        )
    caller = Caller(key)
    _ = caller.stores  # read here, where an absent database is answered
    return caller


@sensitive_variables("bearer", "alone", "given")
def _given(request: HttpRequest) -> str:
    """The text that is given as a key. Two different ones are none: it would not be clear whose
    request it is."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    alone = request.headers.get("X-Api-Key", "").strip()
    given = {alone, bearer.strip() if scheme.lower() == "bearer" else ""} - {""}
    return given.pop() if len(given) == 1 else ""


# Use of a key


def write_use(key: ApiKey) -> None:
    """Note that the key is in use now, unless this process did so within the last minute."""
    now = time.monotonic()
    if now - _used_at.get(key.pk, -EVERY_SECONDS) < EVERY_SECONDS:
        return
    if len(_used_at) >= REMEMBERED_KEYS:
        _used_at.clear()
    _used_at[key.pk] = now
    try:
        _write(key)
    except (DatabaseError, InterfaceError) as error:
        logger.info("event=api_key_use_not_noted key=%s error=%r", key.prefix, str(error))


def _write(key: ApiKey) -> None:
    database = router.db_for_write(ApiKey)
    with _little_patience(connections[database]), transaction.atomic(using=database):
        unlocked = ApiKey.objects.using(database).filter(pk=key.pk).not_used_within(EVERY_SECONDS)
        # In a list, not in a subquery: Django leaves the lock out of a subquery.
        free = list(unlocked.select_for_update(skip_locked=True).values_list("pk", flat=True))
        if free:
            ApiKey.objects.using(database).filter(pk__in=free).update(last_used_at=Now())


@contextmanager
def _little_patience(connection: BaseDatabaseWrapper) -> Iterator[None]:
    dialect = dialect_of(connection)
    with connection.cursor() as cursor:
        before = dialect.patience(cursor)
        dialect.set_patience(cursor, str(PATIENCE_MS))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            dialect.set_patience(cursor, before)


def record_act(caller: Caller, *, action: str, **facts: Any) -> None:
    """Record an act (:func:`neural.audit.record`) in the caller's transaction."""
    record(action=action, by=caller.name, source=AuditSource.API, **facts)
