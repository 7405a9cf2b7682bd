"""A JSON column that returns every number exactly as it was stored, to the last digit.

PostgreSQL's ``jsonb`` keeps numbers as decimals: 1e22 comes back as an integer and -0.0 as 0.
Federated training needs exact values: two processes that read the same server state must compute
the same result.
"""

import json
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _TextField = models.TextField[Any, Any]
else:
    _TextField = models.TextField


class JsonText(str):
    """JSON text that :func:`exact_json` has written; it is not encoded again."""

    __slots__ = ()


def exact_json(value: Any) -> JsonText:
    """JSON text with sorted keys and without spaces. Raises ValueError for NaN and infinities."""
    if isinstance(value, JsonText):
        return value
    return JsonText(
        json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    )


class ExactJSONField(_TextField):
    """JSON that is stored as text: read and written as a whole, never searched."""

    if TYPE_CHECKING:  # the type checker's plugin for Django reads these two
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else str(exact_json(value))

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        return exact_json(self.value_from_object(obj))
