"""Rows that concern every store: only users who see every store see or change them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from neural.models.store import sees_every_store


class ChainWide(admin.ModelAdmin):
    """Denies everything to users who do not see every store; others need Django's permissions."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return sees_every_store(request.user) and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return sees_every_store(request.user) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return sees_every_store(request.user) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return sees_every_store(request.user) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return sees_every_store(request.user) and super().has_delete_permission(request, obj)


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
