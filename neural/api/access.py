"""Who calls: checks the key of a request and its scope, and limits rows to the key's stores."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase

from neural.api import keys
from neural.api.models import ApiKey
from neural.api.problems import ApiProblem


@dataclass(frozen=True)
class Caller:
    """The key of a request; ``request.auth`` of an endpoint."""

    key: ApiKey

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
    """Requires a valid key with one scope: 401 without one, 403 without the scope.

    The key comes as ``Authorization: Bearer zn_…`` or as ``X-Api-Key: zn_…``.
    """

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Any:
        """The caller; raises :class:`ApiProblem`."""
        key = keys.find(_given(request))
        if key is None:
            raise ApiProblem(
                401,
                "give a valid key in the header Authorization: Bearer zn_…",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not key.permits(self.scope):
            raise ApiProblem(403, f"the key {key.prefix} does not have the scope {self.scope}")
        return Caller(key)


def _given(request: HttpRequest) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("X-Api-Key", "").strip()
