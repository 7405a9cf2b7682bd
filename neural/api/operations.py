"""All endpoints of an API, with the scopes that they require."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ninja import NinjaAPI

from neural.api.access import KeyWith, NoKeyOpens


@dataclass(frozen=True)
class ApiOperation:
    """One method of one path. ``path`` has parameters in braces, like ``/events/{id}``."""

    method: str
    path: str
    operation: Any
    """django-ninja's operation: its function, its parameters and what checks who calls."""

    @property
    def label(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def function(self) -> str:
        """The function that answers it, with its module."""
        view = self.operation.view_func
        return f"{view.__module__}.{view.__name__}"

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of which it requires one; empty if no key is asked for."""
        found = [each for each in self.operation.auth_callbacks if isinstance(each, KeyWith)]
        return frozenset(str(each.scope) for each in found)


def operations(api: NinjaAPI) -> Iterator[ApiOperation]:
    """Every operation of every router, nested ones too."""
    for bound in api._get_bound_routers():
        for path, view in bound.path_operations.items():
            whole = "/" + "/".join(part.strip("/") for part in (bound.prefix, path) if part)
            for operation in view.operations:
                for method in operation.methods:
                    yield ApiOperation(method, whole.replace("//", "/"), operation)


def closed(operation: ApiOperation) -> bool:
    """Whether no key opens it, because its author named no scope."""
    return any(isinstance(each, NoKeyOpens) for each in operation.operation.auth_callbacks)
