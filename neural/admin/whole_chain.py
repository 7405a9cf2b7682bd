"""Rows that concern every store: users who are limited to some stores change none of them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from neural.models.store import is_limited_to_stores


def changed_for_the_whole_chain(model_admin: type[Any]) -> None:
    """Let only those add, change or delete rows on these pages who are limited to no store."""
    for name in ("has_add_permission", "has_change_permission", "has_delete_permission"):
        setattr(model_admin, name, _also_unlimited(name))


def _also_unlimited(name: str) -> Any:
    stock = getattr(admin.ModelAdmin, name)

    def permission(model_admin: Any, request: HttpRequest, *args: Any) -> bool:
        return stock(model_admin, request, *args) and not is_limited_to_stores(request.user)

    permission.__name__ = name
    return permission
