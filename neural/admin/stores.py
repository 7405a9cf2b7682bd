"""The admin's pages of stores: people confirm and describe a store; its operators see it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import NOTHING, badge, instant_column
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.scope import ScopedAdmin
from neural.admin.store_links import store_links
from neural.events.changes import reindex_store
from neural.kit.keyset.exact import MOST_FOUND
from neural.models import Store
from neural.models.store import sees_every_store

CONFIRM = Verb(
    name="confirm",
    label=_("Confirm"),
    explanation=_("Confirm: these stores are known and described"),
    permission="neural.change_store",
    apply=lambda store, user: store.confirm(),
    fits=lambda store: not store.confirmed,
    change=gettext_noop("confirmed: yes (confirm)"),
)


@page(Store)
class StoreAdmin(VerbsAdmin, ScopedAdmin):
    verbs = (CONFIRM,)
    whole_chain = ("add",)  # a user who is limited to some stores would not see a new one
    never = ("delete",)  # a store stays with its history; even asking would read all of it
    list_display = ("code", "name", "brand", "region", "time_zone", "day_ends_at", "standing")
    list_filter = ("confirmed",)
    search_fields = ("code", "name", "brand", "region")
    # The browser's own fields: Django's widgets compare a shop's clock with the server's.
    formfield_overrides = {
        models.TimeField: {"widget": forms.TimeInput(format="%H:%M", attrs={"type": "time"})},
        models.DateField: {"widget": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})},
    }
    filter_horizontal = ("operators",)
    fields = (
        "code",
        "name",
        "brand",
        "region",
        "country",
        "time_zone",
        "day_ends_at",
        "daily_tickets_since",
        "confirmed",
        "operators",
        instant_column(Store, "created_at"),
        "records",
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A store that a person adds is confirmed unless they say otherwise."""
        return {"confirmed": True, **super().get_changeform_initial_data(request)}

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The store, with the user to whom it is shown."""
        store = super().get_object(request, *args, **options)
        if store is not None:
            store.viewer = request.user
        return store

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return self.fields[:-2]
        return self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The code stays, because it is the key of everything that is recorded. Only a user who
        sees every store decides who operates this one."""
        if obj is None:
            return ()
        fixed = ("code", *self.fields[-2:])
        return fixed if sees_every_store(request.user) else (*fixed, "operators")

    def save_model(self, request: HttpRequest, obj: Store, form: Any, change: bool) -> None:
        """Records are found by the name of their store, so they follow it."""
        super().save_model(request, obj, form, change)
        if change and "name" in form.changed_data:
            reindex_store(obj.pk)

    @admin.display(description=_("state"))
    def standing(self, store: Store) -> SafeString:
        if store.confirmed:
            return badge("succeeded", _("confirmed"))
        return badge("unhandled", _("unconfirmed"))

    @admin.display(description=_("records"))
    def records(self, store: Any) -> SafeString | str:
        """Links to the store's pages and to the lists of its rows."""
        links = store_links(store, user=store.viewer)
        return format_html_join(" · ", '<a href="{}">{}</a>', links) or NOTHING


def _codes(stores: QuerySet) -> QuerySet:
    return stores.values_list("pk", flat=True)[:MOST_FOUND]


register_look_up(
    LookUp(
        name="store",
        place=60,
        model=Store,
        label=_("store"),
        find=lambda rows, text, user: _codes(rows.filter(pk=text.removesuffix("店"))),
        near=lambda rows, text, user: _codes(rows.filter(name__icontains=text)),
        sentence=ngettext_lazy(
            "%(count)s store has it in its name",
            "%(count)s stores have it in their names",
            "number",
        ),
    )
)
