"""The HTTP API: tills and other programs submit events and read what became of them.

``urls`` is what a project mounts (``path("api/", include("neural.api.urls"))``), ``version1``
collects the endpoints, and ``access.KeyWith`` checks the key of each request. Apps add endpoints in
a module ``neural_api``; the public names of this package are for those.
"""

from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.api.access import Caller, KeyWith
    from neural.api.models import Scope
    from neural.api.problems import ApiProblem

_HOMES = {
    "ApiProblem": "neural.api.problems",
    "Caller": "neural.api.access",
    "KeyWith": "neural.api.access",
    "Scope": "neural.api.models",
}

__all__ = [
    "ApiProblem",
    "Caller",
    "KeyWith",
    "Scope",
]


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
