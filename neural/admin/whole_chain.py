"""Rows that concern every store: only users who see every store change them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from neural.models.store import sees_every_store


def changed_for_the_whole_chain(model_admin: type[Any]) -> None:
    """Let only those add, change or delete rows on these pages who see every store."""
    for name in ("has_add_permission", "has_change_permission", "has_delete_permission"):
        setattr(model_admin, name, _also_every_store(name))


def _also_every_store(name: str) -> Any:
    stock = getattr(admin.ModelAdmin, name)

    def permission(model_admin: Any, request: HttpRequest, *args: Any) -> bool:
        return stock(model_admin, request, *args) and sees_every_store(request.user)

    permission.__name__ = name
    return permission
