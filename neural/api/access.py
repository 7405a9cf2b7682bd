"""Who calls: checks the key of a request and its scope, and limits rows to the key's stores."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja.security.base import AuthBase

from neural.api import keys
from neural.api.limits import Allowance, charge_ahead, count_failure, remember
from neural.api.models import ApiKey, Scope
from neural.api.problems import ApiProblem, database_away
from neural.api.usage import note_use
from neural.audit import record
from neural.models import AuditOutcome, AuditSource


@dataclass(frozen=True)
class Caller:
    """The key of a request; ``request.auth`` of an endpoint."""

    key: ApiKey
    allowance: Allowance = field(default_factory=Allowance, compare=False)

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
        429 above the key's rate or after too many failures, 503 if the database is away."""
        try:
            caller = _caller(request)
        except (OperationalError, InterfaceError) as error:
            raise database_away() from error
        remember(request, caller.allowance)
        charge_ahead(caller)
        if not caller.key.permits(self.scope):
            if self.scope == Scope.RUNS_RETRY:
                _record_refusal(caller, request.path)
            challenge = f'Bearer error="insufficient_scope", scope="{self.scope}"'
            raise ApiProblem(
                403,
                f"the key {caller.key.prefix} does not have the scope {self.scope}",
                headers={"WWW-Authenticate": challenge},
            )
        note_use(caller.key)
        return caller


class NoKeyOpens(AuthBase):
    """Refuses every request: what protects an endpoint that names no scope by mistake."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Any:
        """Raises :class:`ApiProblem` 403."""
        raise ApiProblem(403, "this endpoint names no scope, so no key opens it")


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
        count_failure(request)
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
