"""API keys in the admin: people issue, rotate and revoke them. The secret is shown once."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext
from django.views.decorators.debug import sensitive_variables

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant_column,
    link_column,
    page_address,
    short_instant_column,
)
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import ScopedAdmin
from neural.admin.tabs import register_tab
from neural.api import keys
from neural.api.models import ApiKey, KeyState, Scope
from neural.audit.titles import register_titles_of_rows
from neural.models import Store
from neural.models.store import sees_every_store

REVOKED = gettext_noop("state: valid → revoked (revoke)")
ROTATED = gettext_noop("replaced by: a new key (rotate)")
SHOWN_STORES = 3
OVERLAPS = {
    "0": _("none: the old key ends at once"),
    "1": _("1 hour"),
    "24": _("24 hours"),
    "168": _("7 days"),
}
"""How long the old key stays valid, in hours."""
BADGES = {KeyState.VALID: "succeeded", KeyState.EXPIRED: "unhandled", KeyState.REVOKED: "failed"}

REVOKE = Verb(
    name="revoke",
    label=_("Revoke"),
    explanation=_("Revoke: these keys are refused from now on, for good"),
    permission="neural_api.revoke_apikey",
    apply=lambda key, user: keys.revoke(key),
    fits=lambda key: key.revoked_at is None,
    change=lambda key: REVOKED,
)


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return KeyState.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        return queryset.in_state(self.value()) if self.value() in KeyState.values else queryset


class ScopeFilter(admin.SimpleListFilter):
    title = _("scope")
    parameter_name = "scope"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return Scope.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        # Scopes are few fixed words, none a part of another: looked for in the list's text.
        return queryset.filter(scopes__icontains=self.value()) if self.value() else queryset


class IssueForm(forms.ModelForm):
    """A new key. ``stores`` are those that the user sees."""

    scopes = forms.MultipleChoiceField(
        label=capfirst(_("scopes")), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "every_store", "stores", "expires_at", "rate_per_second")

    def clean(self) -> dict[str, Any]:
        """Require stores, or every store: never both, and never none."""
        cleaned = super().clean() or {}
        every_store, stores = cleaned.get("every_store", False), cleaned.get("stores")
        if every_store and stores:
            raise ValidationError({"stores": _("Leave this empty for a key for every store.")})
        if not every_store and not stores and "stores" not in self.errors:
            raise ValidationError({"stores": _("Choose the stores that the key opens.")})
        return cleaned


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        label=_("The old key stays valid for"), choices=list(OVERLAPS.items()), initial="24"
    )


@page(ApiKey)
class ApiKeyAdmin(VerbsAdmin, ScopedAdmin):
    form = IssueForm
    verbs = (REVOKE,)
    list_display = (
        "name",
        "prefix_display",
        "scopes_display",
        "stores_display",
        "state",
        "expires",
        short_instant_column(ApiKey, "last_used_at"),
        "created_by",
    )
    list_filter = (StateFilter, ScopeFilter)
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix", "=stores__code")
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    autocomplete_fields = ("stores",)
    # What a key permits stays as it was issued, and a revoked key stays: events name it.
    never = ("change", "delete")
    issued_fields = (
        "name",
        "prefix_display",
        "state",
        "scopes_display",
        "stores_shown_in_full",
        instant_column(ApiKey, "expires_at"),
        instant_column(ApiKey, "revoked_at"),
        instant_column(ApiKey, "last_used_at"),
        "rate_per_second",
        instant_column(ApiKey, "created_at"),
        "created_by",
        link_column(ApiKey, "replaces"),
    )

    # Who may do what

    def may_rotate(self, request: HttpRequest) -> bool:
        """Whether this user is permitted to rotate the keys that they see."""
        return request.user.has_perm("neural_api.rotate_apikey")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The keys that this user may see, with the database's time."""
        seen: Any = super().get_queryset(request)
        return seen.with_clock().prefetch_related("stores")

    # Issuing

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is not None:
            return self.issued_fields
        given = IssueForm.Meta.fields
        # Only who sees every store may issue a key that opens every store.
        chain = sees_every_store(request.user)
        return given if chain else tuple(name for name in given if name != "every_store")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else self.issued_fields

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only the user's own stores can be chosen."""
        if db_field.name == "stores":
            kwargs["queryset"] = Store.objects.for_user(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @sensitive_variables("text")
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue the key that the form describes."""
        given = form.cleaned_data
        key, text = keys.issue(
            name=given["name"],
            scopes=given["scopes"],
            stores=None if given.get("every_store") else given["stores"],
            expires_at=given["expires_at"],
            rate_per_second=given["rate_per_second"],
            created_by=request.user,
        )
        # The form's row is now the issued one: Django writes its audit entry.
        obj.__dict__.update(key.__dict__)
        request.issued_text = text  # type: ignore[attr-defined]

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the stores were recorded with the key."""

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kw: Any) -> HttpResponse:
        """The secret, which is in no later page, in no cookie and in no session."""
        return self._shown_once(request, obj, request.issued_text)  # type: ignore[attr-defined]

    def _shown_once(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        response = self.own_page(
            request,
            "admin/neural_api/apikey/shown_once.html",
            title=_("The key is shown this once"),
            text=text,
            key=key,
            replaced=key.replaces,
            address=page_address(key),
        )
        response["Cache-Control"] = "no-store"
        return response

    # Rotating

    @address("<path:object_id>/rotate/", "_rotate")
    @sensitive_variables("text")
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the overlap; then replace the key and show the new one."""
        key = self.row_or_404(request, object_id)
        if not self.may_rotate(request):
            raise PermissionDenied
        form = RotateForm(request.POST or None)
        if form.is_valid():
            overlap = dt.timedelta(hours=int(form.cleaned_data["overlap"]))
            try:
                with transaction.atomic():
                    new, text = keys.rotate(key, overlap=overlap, by=request.user)
                    log_changes(user=request.user, rows=[key], change=ROTATED, action="rotate")
                    self.log_addition(request, new, [{"added": {}}])
            except keys.KeyNotRotated:
                form.add_error(None, self._not_rotated(key))
            else:
                return self._shown_once(request, new, text)
        return self._asking(request, key, form)

    def _not_rotated(self, key: ApiKey) -> Any:
        if key.replaced_by.exists():
            return _("This key is replaced already. Rotate the newer one.")
        return _("This key is revoked or expired. Issue a new one.")

    def _asking(self, request: HttpRequest, key: ApiKey, form: forms.Form) -> HttpResponse:
        return self.own_page(
            request,
            "admin/neural_api/apikey/rotate.html",
            title=_("Rotate %(key)s") % {"key": key},
            form=form,
            key=key,
            address=page_address(key),
        )

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        """Django's page. Saving shows the key, whichever button it was."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kw)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """A button to rotate a key that is valid and not replaced."""
        fits = row.state(row.now) is KeyState.VALID and not row.replaced_by.exists()
        can_rotate = fits and self.may_rotate(request)
        return super().row_context(request, row) | {"can_rotate": can_rotate}

    # Columns

    @admin.display(description=_("prefix"), ordering="prefix")
    def prefix_display(self, key: ApiKey) -> str:
        return f"zn_{key.prefix}…"

    scopes_display = computed_column(_("scopes"), lambda key: ", ".join(key.scopes))

    @admin.display(description=_("state"))
    def state(self, key: Any) -> SafeString:
        state = key.state(key.now)
        return badge(BADGES[state], state.label)

    @admin.display(description=_("expires at"), ordering="expires_at")
    def expires(self, key: ApiKey) -> Any:
        """The day, as lists are narrow; the time shows when the pointer is over it."""
        if key.expires_at is None:
            return NOTHING
        local = timezone.localtime(key.expires_at)
        full = local.strftime("%Y-%m-%d %H:%M:%S")
        return format_html('<time datetime="{0}" title="{0}">{1}</time>', full, local.date())

    @admin.display(description=_("stores"))
    def stores_display(self, key: ApiKey) -> Any:
        return self._stores(key, most=SHOWN_STORES)

    @admin.display(description=_("stores"))
    def stores_shown_in_full(self, key: ApiKey) -> Any:
        return self._stores(key)

    def _stores(self, key: ApiKey, most: int | None = None) -> Any:
        if key.every_store:
            return _("every store")
        codes = [store.pk for store in key.stores.all()]
        if most is None or len(codes) <= most:
            return ", ".join(codes) or NOTHING
        more = len(codes) - most
        rest = ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
        return f"{', '.join(codes[:most])} {rest}"


register_titles_of_rows(ApiKey, [("rotate", _("Rotate"))])


register_tab("chain", "neural_api.apikey", place=20)
