"""A JSON column without one of its keys, computed in the database."""

from typing import Any

from django.db.models import F, Func, JSONField, Value


class Without(Func):
    """``Without("options", "expires_at")``: the column's object, without that key."""

    arity = 2
    output_field = JSONField()

    def __init__(self, column: str, key: str, **extra: Any) -> None:
        super().__init__(F(column), Value(key), **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(%(expressions)s)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "json_remove(%(expressions)s)"
        joiner = ", '$.' || "
        return self.as_sql(compiler, connection, template=template, arg_joiner=joiner, **context)
