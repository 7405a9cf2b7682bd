"""The addresses of saved views: save a search, change one's own view, delete it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from neural.admin.guards import address
from neural.admin.scope import NeuralAdmin
from neural.kit.sites import address_in_admin
from neural.models import SavedView
from neural.runs.admin.runs_list.asked import Asked, address_of
from neural.runs.query import QueryRefused, RunQuery
from neural.runs.saved import ViewRefused, change_view, delete_view, save_view, views_of


class ViewForm(forms.Form):
    """A view's name, and whether others see it."""

    name = forms.CharField(label=_("name"), max_length=100)
    shared = forms.BooleanField(label=_("shown to everybody"), required=False)


@dataclass(frozen=True)
class ViewLink:
    """A saved view as a link; ``owner`` is empty for one's own, which has addresses of forms."""

    view: SavedView
    address: str
    owner: str
    is_current: bool
    change: str
    delete: str


def visible_views(asked: Asked, user: Any) -> list[ViewLink]:
    """The views that the user can choose."""
    now = asked.query.params() if asked.query else None
    return [_link(view, user, now) for view in views_of(user)]


def _link(view: SavedView, user: Any, now: dict[str, str] | None) -> ViewLink:
    is_own = view.owner_id == user.pk
    return ViewLink(
        view,
        address_of(view.query),
        owner="" if is_own else view.owner.get_username(),
        is_current=view.query == now,
        change=address_in_admin("neural_savedview_change", view.pk) if is_own else "",
        delete=address_in_admin("neural_savedview_delete", view.pk) if is_own else "",
    )


class SavedViews(NeuralAdmin):
    """The forms of saved views. Whoever may view runs may save views and show them to others: a
    view holds a search, and shows to each user only what that user may see."""

    @address("views/save/", "neural_savedview_save", require_POST)
    def save_view_view(self, request: HttpRequest) -> HttpResponse:
        """Save the search that the form has under the name that it has."""
        self._must_view(request)
        form, query = ViewForm(request.POST), None
        try:
            params = QueryDict(request.POST.get("query", "").removeprefix("?"))
            query = RunQuery.from_params(params.dict())
            if form.is_valid():
                save_view(user=request.user, query=query, **form.cleaned_data)
                text = gettext("The view “%(name)s” is saved.") % form.cleaned_data
                self.message_user(request, text, messages.SUCCESS)
        except (QueryRefused, ViewRefused) as refused:
            self.message_user(request, str(refused), messages.ERROR)
        return self._back_to_list(request, form, query.params() if query else {})

    @address("views/<int:number>/change/", "neural_savedview_change", require_POST)
    def change_view_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Give one's own view another name, or show it to others or to nobody."""
        view, form = self._own(request, number), ViewForm(request.POST)
        try:
            if form.is_valid():
                change_view(view=view, user=request.user, **form.cleaned_data)
        except ViewRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
        return self._back_to_list(request, form, view.query)

    @address("views/<int:number>/delete/", "neural_savedview_delete", require_POST)
    def delete_view_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Delete one's own view."""
        view = self._own(request, number)
        delete_view(view=view, user=request.user)
        text = gettext("The view “%(name)s” is deleted.") % {"name": view.name}
        self.message_user(request, text, messages.SUCCESS)
        return self._back_to_list(request, None, view.query)

    def _own(self, request: HttpRequest, pk: int) -> SavedView:
        self._must_view(request)
        view = SavedView.objects.filter(pk=min(pk, GREATEST), owner=request.user.pk).first()
        if view is None:
            raise Http404
        return view

    def _must_view(self, request: HttpRequest) -> None:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied

    def _back_to_list(
        self, request: HttpRequest, form: ViewForm | None, query: dict[str, str]
    ) -> HttpResponse:
        """The list; with what is wrong with the form, if anything is."""
        for name, problems in (form.errors if form and form.is_bound else {}).items():
            label = form.fields[name].label if form else name
            self.message_user(request, f"{label}: {' '.join(map(str, problems))}", messages.ERROR)
        address = address_in_admin("neural_taskrun_changelist")
        return HttpResponseRedirect(address + (address_of(query) if query else ""))


GREATEST = 2**63 - 1
"""The greatest key; an address may have any number."""
