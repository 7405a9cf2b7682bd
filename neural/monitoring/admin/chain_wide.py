"""Pages that concern the whole chain: users who do not see every store see none of them."""

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
