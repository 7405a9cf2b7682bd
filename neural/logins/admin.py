"""Failed logins in the admin: people see them, and delete one to let somebody in at once."""

from typing import Any

from django.http import HttpRequest

from neural.admin.pages import page
from neural.admin.scope import ChainWide
from neural.logins.models import LoginFailures


@page(LoginFailures)
class LoginFailuresAdmin(ChainWide):
    """Names of users of every store: for users who see every store."""

    never = ("add", "change")
    list_display = ("name", "counted_by", "failures", "failed_at", "waits_until")
    list_filter = ("counted_by",)
    search_fields = ("=name",)
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the known browsers and addresses from which nothing failed."""
        return super().get_queryset(request).filter(failures__gt=0)
