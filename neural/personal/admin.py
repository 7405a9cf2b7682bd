"""The page that erases a person: it counts what names the person, and then erases, as
``manage.py erase_person`` does. Every table is read to its end, so the page is sent as it goes."""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django import forms
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.exporting.streaming import streamed
from neural.admin.forms import capitalise_labels
from neural.admin.guards import address
from neural.admin.scope import NeuralAdmin
from neural.kit.sites import address_in_admin
from neural.models import AuditSource, Store
from neural.models.store import sees_every_store
from neural.personal.erasing.erasure import BESIDE, LONGEST_REASON, PERMISSION, Erasure
from neural.personal.erasing.residue import Findings, Look
from neural.personal.erasing.tables import ERASABLES, Step
from neural.personal.person import Person
from neural.personal.redacting import key_rules

logger = logging.getLogger(__name__)

PAGE = "neural_erase_person"
WAIT_SECONDS = 30
"""Shorter than a proxy waits for the next piece of a page."""
COUNT_SECONDS = 3
"""Counting what names the person takes so long, and looking for what stays as long again."""
GOES_HERE = "<!-- report -->"


class PersonForm(forms.Form):
    """Who is to be erased, and where."""

    phone = forms.CharField(label=gettext_lazy("phone"), required=False, max_length=40)
    email = forms.EmailField(label=gettext_lazy("e-mail address"), required=False)
    member_id = forms.CharField(
        label=gettext_lazy("member or openid"), required=False, min_length=2, max_length=200
    )
    name = forms.CharField(
        label=gettext_lazy("name of the person"),
        required=False,
        min_length=2,
        max_length=200,
        help_text=gettext_lazy("Only within a store: many people have one name."),
    )
    store = forms.ModelChoiceField(
        Store.objects.none(),
        label=gettext_lazy("store"),
        required=False,
        help_text=gettext_lazy("Empty: everywhere, if you may see every store."),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stores: Any = self.fields["store"]
        stores.queryset = Store.objects.for_user(user).order_by("pk")
        stores.required = not sees_every_store(user)
        capitalise_labels(self)

    def clean(self) -> dict[str, Any]:
        """Whoever is meant can be told from others."""
        given = self.cleaned_data
        known = {name: given.get(name, "") for name in ("phone", "email", "member_id", "name")}
        if not any(known.values()) and not known.keys() & self.errors.keys():
            self.add_error(None, _("Say who: a phone, an e-mail address, a member or a name."))
        if known["name"] and not given.get("store") and "store" not in self.errors:
            self.add_error("store", _("A name needs a store: many people have one name."))
        self.person = Person(**known, rules=key_rules())
        try:
            self.person.check()
        except ValueError:
            if known["phone"]:
                self.add_error("phone", _("A phone has 7 digits or more."))
        return given

    @property
    def erasure(self) -> Erasure:
        """What the form means; it only counts."""
        store = self.cleaned_data["store"]
        code = store.pk if store else ""
        return Erasure(
            person=self.person, store=code, wait_seconds=WAIT_SECONDS, count_seconds=COUNT_SECONDS
        )


class ErasingForm(PersonForm):
    """The same with the reason, which erases."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=LONGEST_REASON,
        help_text=gettext_lazy("It stands in the audit log: write no name and no phone."),
    )


class ErasingAdmin(NeuralAdmin):
    """An admin with one more address: the page that erases a person."""

    @address("erase-person/", PAGE)
    def erase_view(self, request: HttpRequest) -> HttpResponseBase:
        """The form; when it is sent, what names the person; when that is confirmed, erase."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        form = PersonForm(request.POST or None, user=request.user)
        confirmed = ErasingForm(
            request.POST if "erase" in request.POST else None, user=request.user
        )
        context: dict[str, Any] = {
            "title": _("Erase a person"),
            "form": form,
            "address": address_in_admin(PAGE),
        }
        if not form.is_valid():
            return self.own_page(request, "admin/neural/erase_person.html", **context)
        erasure = form.erasure
        if confirmed.is_valid():
            erasure.by, erasure.source = request.user, AuditSource.ADMIN
            erasure.reason = confirmed.cleaned_data["reason"]
        else:
            context["reason"] = [confirmed["reason"]]
        context["goes_here"] = GOES_HERE
        page = self.own_page(request, "admin/neural/erase_person.html", **context)
        return streamed(request, _sent(str(page.rendered_content), erasure))


def _sent(page: str, erasure: Erasure) -> Iterator[bytes]:
    """The page around the report, which is made while it is sent."""
    language = translation.get_language()
    before, _mark, after = page.partition(GOES_HERE)
    yield before.encode()
    try:
        yield from _passed(chain(erasure.go(), erasure.look()), language)
    except Error as error:
        logger.warning("event=erasing_stopped error=%r", error)
        yield _report(erasure, language, is_stopped=True)
    else:
        yield _report(erasure, language)
    yield after.encode()


def _passed(steps: Iterable[Step | Look], language: str) -> Iterator[bytes]:
    """The names of the tables, each when it is first gone through; without those that have none for
    people. A space for each step tells a proxy that somebody is at work, and lets the server see
    that nobody reads any more."""
    named: set[str] = set()
    for step in steps:
        with translation.override(language):
            name = _name(step.name)
        yield b" " if "." in name or name in named else f" {escape(name)} ·".encode()
        named.add(name)


def _report(erasure: Erasure, language: str, *, is_stopped: bool = False) -> bytes:
    with translation.override(language):
        context = {
            "erasure": erasure,
            "is_stopped": is_stopped,
            "rows": [(_name(name), count) for name, count in (+erasure.found).items()],
            "left": _of_fields(erasure.left),
            "left_beside": _of_fields(erasure.left_beside),
        }
        return render_to_string("admin/neural/erase_report.html", context).encode()


def _name(name: str) -> str:
    """A table as the admin calls it, or as it is written in code if that has no words for it."""
    if name == BESIDE:
        return _("with what stands beside the person, such as the name alone")
    erasable = ERASABLES.find(name)
    model = erasable.model if erasable else apps.get_model(name)
    has_words = isinstance(model._meta.verbose_name, Promise)
    return str(model._meta.verbose_name_plural) if has_words else name


def _of_fields(findings: Findings) -> list[tuple[str, str, int]]:
    """The table, the field and the number of rows of each finding."""
    places = [(name.split(".", 2), count) for name, count in sorted(findings.rows.items())]
    return [(_name(f"{app}.{model}"), path, count) for (app, model, path), count in places]
