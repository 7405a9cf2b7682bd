"""The admin's pages of store codes: which store a platform means by a code."""

from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest

from neural.admin.pages import page
from neural.admin.scope import ScopedAdmin
from neural.hooks.models import StoreCode, WebhookSource
from neural.models import Store
from neural.models.store import visible_stores


class OwnChoices:
    """Offers only the user's own stores, and sources of these."""

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any
    ) -> Any:
        related: Any = db_field.related_model
        if related in (Store, WebhookSource):
            kwargs["queryset"] = related.objects.for_user(request.user).order_by("pk")
        if related is WebhookSource:
            kwargs["queryset"] = kwargs["queryset"].defer("credentials").order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


@page(StoreCode)
class StoreCodeAdmin(OwnChoices, ScopedAdmin):
    list_display = ("code", "source", "store")
    list_filter = (("source", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("store",)
    search_fields = ("code", "store__code", "store__name")
    ordering = ("source__name", "code")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("source").defer("source__credentials")


class StoreCodesInline(OwnChoices, admin.TabularInline):
    """The codes of a source, on its page."""

    model = StoreCode
    extra = 1

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name each field for screen readers, too: the headings of the columns are no labels."""
        found: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if found is not None:
            widget = getattr(found.widget, "widget", found.widget)
            widget.attrs["aria-label"] = str(db_field.verbose_name)
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        codes: QuerySet = super().get_queryset(request).order_by("code")
        mine = visible_stores(request.user)
        return codes if mine is None else codes.filter(store__in=mine)
