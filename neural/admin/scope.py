"""Base classes of all pages: users see only their stores' rows, and history is read-only."""

import re
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from neural.admin.exporting.pages import ExportingAdmin
from neural.admin.filters import ChoiceOfRows
from neural.admin.guards import GuardedPages, address
from neural.admin.list_page import LIST_MEDIA, StateTab, page_of_list
from neural.admin.paging import CountedList, FirstPagePaginator, KeysetChangeList
from neural.admin.panels import HTMX, add_panels, addresses_of
from neural.admin.recording import Audited
from neural.kit.keyset.bounded import KeyPage, find, page_of_few
from neural.kit.keyset.exact import by_columns
from neural.kit.keyset.planning import SEARCHED, STORE, plan
from neural.kit.keyset.walks import Place, Walk
from neural.models import Store
from neural.models.store import STORE_CODE_PATTERN, sees_every_store

FEW = "few"
ROW_MEDIA = Media(css={"all": ("neural/row.css",)}, js=("neural/row.js",))
ACTS = ("module", "view", "add", "change", "delete")
CHANGES = ("add", "change", "delete")


def store_or_404(request: HttpRequest, code: str) -> Store:
    """One of the user's own stores, or Http404. A code with a NUL is not looked up, because
    PostgreSQL cannot even compare it."""
    found = Store.objects.for_user(request.user).filter(pk=code)
    store = found.first() if re.match(STORE_CODE_PATTERN, code) else None
    if store is None:
        raise Http404
    return store


class Permits(admin.ModelAdmin):
    """Declares who may do what beyond Django's own permissions, which are needed as well."""

    never: Collection[str] = ()
    """What nobody does on these pages: of :data:`ACTS`."""
    whole_chain: Collection[str] = ()
    """What only those do who see every store: of :data:`ACTS`."""

    def _allows(self, request: HttpRequest, act: str) -> bool:
        return act not in self.never and (
            act not in self.whole_chain or sees_every_store(request.user)
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, "module") and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "view") and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "add") and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "change") and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "delete") and super().has_delete_permission(request, obj)


def section(title: Any, *fields: Any, **options: Any) -> Any:
    """A part of a row's page, for ``fieldsets``."""
    return title, {"fields": fields, **options}


class NeuralAdmin(Audited, Permits, GuardedPages, ExportingAdmin):
    """Django's admin in our frame: one more style sheet, tabs, the panels of other apps, files of
    its list."""

    class Media:
        css = {"all": ("neural/admin.css",)}

    @property
    def change_form_template(self) -> list[str]:  # type: ignore[override]
        """The model's own template, or that of all pages of a row."""
        return self._templates("change_form.html")

    @property
    def change_list_template(self) -> list[str]:  # type: ignore[override]
        """The same of its list."""
        return self._templates("change_list.html")

    def _templates(self, name: str) -> list[str]:
        app, model = self.opts.app_label, self.opts.model_name
        return [f"admin/{each}/{name}" for each in (f"{app}/{model}", app, "neural")]

    def get_urls(self) -> list[URLPattern]:
        """Django's addresses and those of panels."""
        return [*addresses_of(self), *super().get_urls()]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Django's field, which also refuses numbers that no database can hold."""
        return super().formfield_for_manytomany(
            db_field, request, **{"form_class": ChoiceOfRows, **kwargs}
        )

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template of a row's page needs beside Django's own: override it, and add to the
        base's."""
        return {}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's list under the name of what it lists, as our page of lists shows it."""
        own = {"title": capfirst(self.opts.verbose_name_plural), "media": self.list_media(request)}
        response = super().changelist_view(request, own | (extra_context or {}))
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            shown["page"] = page_of_list(shown["cl"], request)
        return response

    def list_media(self, request: HttpRequest) -> Any:
        """The style sheets of the list, and its own script in the place of Django's, which a window
        that chooses a row alone needs."""
        own: Any = self.media
        scripts = own._js if IS_POPUP_VAR in request.GET else ()
        return Media(css=own._css, js=scripts) + LIST_MEDIA

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        """Django's page under the name of its row, with its panels."""
        row = kwargs.get("obj")
        if row is not None:
            context |= {"title": context["subtitle"] or context["title"], "subtitle": None}
            add_panels(context, request, row)
            context |= self.row_context(request, row)
            context |= self._read_only(request, row, context)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[return-value]

    def _read_only(
        self, request: HttpRequest, row: Model, context: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The two columns of a row that this user does not edit, without the scripts of forms. A
        page with ``refresh_seconds`` in its context refreshes by itself as often."""
        if self.has_change_permission(request, row):
            return {}
        own, refreshes = context["media"], bool(context.get("refresh_seconds"))
        scripts = [each for each in own._js if not str(each).startswith("admin/")]
        return {
            "is_read_only": True,
            "has_live_panel": context["has_live_panel"] or refreshes,
            "media": Media(css=own._css, js=scripts) + ROW_MEDIA + (HTMX if refreshes else Media()),
        }

    def row_or_404(self, request: HttpRequest, object_id: object) -> Any:
        """The row of a page, within the user's stores, if the user may view it."""
        row = self.get_object(request, unquote(str(object_id)))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def own_page(
        self, request: HttpRequest, template: str | list[str], *, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """A page of ours in the frame of Django's admin; ``context`` has its ``title``."""
        request.current_app = self.admin_site.name
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, frame | context, status=status)

    def refused_page(
        self, request: HttpRequest, *, title: Any, refusal: str, back: str
    ) -> TemplateResponse:
        """The page that says why a user may not do something, and leads back."""
        return self.own_page(
            request,
            "admin/neural/refused.html",
            status=403,
            title=title,
            refusal=refusal,
            back=back,
        )


class ScopedAdmin(NeuralAdmin):
    """Shows only rows of the user's own stores, in lists, pages, actions and autocompletion."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The rows that this user may see; no page, action or form reaches any other."""
        queryset: Any = super().get_queryset(request)
        return queryset.for_user(request.user)


class ReadOnlyAdmin(NeuralAdmin):
    """Pages of rows that only machines write, in a table that may be large."""

    never = CHANGES
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet is a COUNT
    paginator = FirstPagePaginator
    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = 50
    search_keys: tuple[str, ...] = ()
    """Fields that a search compares exactly. Each is the first column of an index unless the table
    is small. ``store`` counts where no other has the term."""
    finds: Any = None
    """A ``neural.kit.keyset.exact.Find``, where the look-up of ids knows more than these fields."""
    from_outside: tuple[str, ...] = ()
    """JSON fields with content from outside. They are read as text, and only when shown."""
    walks: tuple[Walk, ...] = ()
    """The indexes that serve the list's filters, the most selective first."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer(*self.from_outside)

    # Lists

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    @address("figures/", "_figures", require_safe)
    def figures_view(self, request: HttpRequest) -> HttpResponse:
        """The tabs of the list with their counts, which may take longer than the page."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        shown = self._counted(request)
        tabs = [
            replace(tab, count=self._count(request, shown, tab))
            for tab in page_of_list(shown, request).tabs
        ]
        return TemplateResponse(request, "admin/neural/list/figures.html", {"tabs": tabs})

    def _count(self, request: HttpRequest, shown: Any, tab: StateTab) -> str:
        if tab.is_current:
            return str(shown.count_text)
        asked = copy(request)
        asked.GET = QueryDict(tab.address.removeprefix("?"))
        return str(self._counted(asked).count_text)

    def _counted(self, request: HttpRequest) -> Any:
        counting: Any = copy(self)
        counting.get_changelist = lambda request, **options: CountedList
        return counting.get_changelist_instance(request)

    def for_page(self, queryset: QuerySet) -> QuerySet:
        """The columns that one page of the list loads: override it to leave out large ones."""
        return queryset

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only what ``list_filter`` names: any other lookup could read the whole table."""
        return lookup in self.parameters

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self.search_keys

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Rows that the term names, as the look-up of ids finds them; else those of the store with
        this code, through which the list pages: all others are few."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "\0" in term:  # from autocompletion, whose address belongs to the site
            return queryset.none(), False
        request.searched = FEW  # type: ignore[attr-defined]
        find = type(self).finds or by_columns(*(key for key in self.search_keys if key != STORE))
        if keys := list(find(queryset, term, request.user)):
            return queryset.filter(pk__in=keys), False
        if STORE not in self.search_keys:
            return queryset.none(), False
        request.searched = term  # type: ignore[attr-defined]
        return queryset.filter(store=term), False

    def find(
        self, request: HttpRequest, queryset: QuerySet, *, place: Place, **options: Any
    ) -> KeyPage:
        """The keys of one page of a query, found along the walks that serve the chosen filters."""
        if getattr(request, "searched", "") is FEW:
            return page_of_few(queryset, place=place, **options)
        planned = plan(self.walks, self.chosen(request), user=request.user)
        return find(queryset, place=place, **planned, **options)

    def chosen(self, request: HttpRequest) -> dict[str, str]:
        """The values of the list's filters. A store that was typed into the search counts too."""
        chosen = {name: request.GET[name] for name in self.parameters if name in request.GET}
        if searched := getattr(request, "searched", ""):
            chosen = {SEARCHED: searched, STORE: searched, **chosen}
        return chosen

    @property
    def parameters(self) -> set[str]:
        """The names of the list's filters in its address."""
        return {getattr(each, "parameter_name", "") for each in self.list_filter}

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet, per_page: int, *args: Any, **kwargs: Any
    ) -> Paginator:
        """The paginator of autocompletion; lists page by themselves."""
        if not queryset.query.is_empty():
            found = self.find(request, queryset, place=Place(), size=per_page)
            queryset = queryset.filter(pk__in=found.keys)
        return super().get_paginator(request, queryset, per_page, *args, **kwargs)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet, *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Limit actions to the rows of one page: nobody means ten million rows."""
        data = request.POST.copy()
        data["select_across"] = "0"
        request.POST = data  # type: ignore[assignment]
        return super().response_action(request, queryset, *args, **kwargs)


class HistoryAdmin(ReadOnlyAdmin, ScopedAdmin):
    """Read-only pages of rows that belong to stores."""


class SearchedByNumber(ReadOnlyAdmin):
    """Pages whose ``search_keys`` are numbers; a search term may begin with #."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search only if the term is a number."""
        term = search_term.strip().removeprefix("#")
        if term and not (term.isascii() and term.isdigit() and len(term) < 19):
            return queryset.none(), False
        return super().get_search_results(request, queryset, term)


class ChainWide(NeuralAdmin):
    """Denies everything to users who do not see every store."""

    whole_chain = ACTS
