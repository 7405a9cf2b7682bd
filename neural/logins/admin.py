"""Failed logins in the admin: people see them, and delete one to let somebody in at once."""

from typing import Any

from django.http import HttpRequest

from neural.admin.pages import page
from neural.admin.scope import NeuralAdmin
from neural.logins.models import LoginFailures


@page(LoginFailures)
class LoginFailuresAdmin(NeuralAdmin):
    list_display = ("name", "counted_by", "failures", "failed_at", "waits_until")
    list_filter = ("counted_by",)
    search_fields = ("=name",)
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
