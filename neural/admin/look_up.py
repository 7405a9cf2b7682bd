"""One look-up of ids: what the core and each app know by an id that a person types, such as an
order, a run, an event or a store. An id is found, or the answer says that it is not.
"""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import JSONField, Model, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from neural.admin.display import page_address
from neural.admin.guards import address
from neural.admin.scope import NeuralAdmin
from neural.admin.store_links import may_view
from neural.admin.tabs import list_of, page_named
from neural.kit.errors import NeuralError
from neural.kit.keyset.exact import MOST_FOUND, Find, names_nothing
from neural.kit.registry import Registry
from neural.models import Store
from neural.personal.redacting import redacted_text, sees_personal_data
from neural.runs.about import About

logger = logging.getLogger(__name__)

MOST_SHOWN = 20
LONGEST = 200

PAGE = "neural_look_up"
SUGGESTIONS = "neural_look_up_suggest"
"""The page of what is likely meant while one types. The app of search has it."""


@dataclass(frozen=True, kw_only=True)
class LookUp:
    """What an app knows by an id.

    ``find`` finds the rows of ``model`` that an id names exactly, for users who may view the model
    and for whom ``may_ask`` is true; ``label`` is what the id then names, like "order". Where no
    look-up finds any, ``through`` finds those that belong to a row of another model which the id
    names, as payments belong to an order. Where ``find`` finds none, ``near`` finds others, and
    ``sentence`` says so: a lazy ``ngettext`` with ``%(count)s`` like "%(count)s run begins so",
    whose number is ``number``. ``moment`` is the field with the time that is shown, and ``about``
    says more about the shown rows, by their keys.
    """

    name: str
    model: type[Model]
    label: Any = ""
    find: Find = names_nothing
    through: Find = names_nothing
    near: Find = names_nothing
    sentence: Any = ""
    moment: str = ""
    about: Callable[[Sequence[Any], Any], Mapping[Any, Sequence[About]]] = lambda rows, user: {}
    may_ask: Callable[[Any], bool] = lambda user: True
    place: int = 0
    """The likeliest are asked first: orders have 10, stores 60."""


LOOK_UPS: Registry[LookUp] = Registry("look-up of ids")


def register_look_up(look_up: LookUp) -> None:
    """Add what an app knows. Call it in the app's ``admin`` module."""
    LOOK_UPS.add(look_up.name, look_up)


def kinds_for(user: Any) -> str:
    """What this user may look up, in words: "order, run, event"; empty if it is nothing."""
    return _(", ").join(str(each.label) for each in look_ups_for(user) if each.label)


def look_ups_for(user: Any) -> list[LookUp]:
    """What this user may ask for, the likeliest first."""
    mine = [each for each in LOOK_UPS if each.may_ask(user) and may_view(each.model)(user)]
    return sorted(mine, key=lambda each: each.place)


@dataclass(frozen=True)
class Shown:
    """A row that was found, and what is said of it."""

    row: Model
    store: str
    moment: dt.datetime | None
    state: str
    about: Sequence[About]


@dataclass(frozen=True)
class Rows:
    """Rows that one look-up found, the newest first."""

    of: LookUp
    title: str
    shown: Sequence[Shown]
    is_more: bool
    """Whether there are others."""


@dataclass(frozen=True)
class Answer:
    """What an id names for a user. ``store`` is the code of the store within which it was looked
    for; ``notices`` say what was not looked for."""

    text: str
    store: str = ""
    asked: list[LookUp] = field(default_factory=list)
    exact: list[Rows] = field(default_factory=list)
    near: list[Rows] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def is_id(self) -> bool:
        """Whether the text looks like an id, and is no words to search for, as 12号桌 is."""
        is_word = any(each.isspace() or "一" <= each <= "鿿" for each in self.text)
        return not is_word and any(map(str.isdigit, self.text))

    @property
    def is_unknown(self) -> bool:
        """Whether these are words that name nothing, and are to be searched for."""
        has_digits = any(map(str.isdigit, self.text))
        return bool(self.text) and not (has_digits or self.exact or self.near or self.notices)

    @property
    def missing(self) -> str:
        """The sentence that nothing is named so; empty if something is."""
        labels = [str(each.label) for each in self.asked if each.label]
        if self.exact or not labels:
            return ""
        kinds = labels[-1]
        if others := _(", ").join(labels[:-1]):
            kinds = _("%(kinds)s or %(kind)s") % {"kinds": others, "kind": kinds}
        values = {"kinds": kinds, "id": self.text, "store": self.store}
        if self.store:
            return _("No %(kinds)s %(id)s in %(store)s.") % values
        return _("No %(kinds)s %(id)s.") % values

    @property
    def only(self) -> Model | None:
        """The only row that was found, if it is the very one and all was looked at."""
        rows = [each.row for found in self.exact for each in found.shown]
        return rows[0] if len(rows) == 1 and not (self.near or self.notices) else None


def look_up(text: str, user: Any, *, store: str = "", without: Collection[str] = ()) -> Answer:
    """What this text names among the rows that the user may see.

    A store's code before or after the id (``A-17 S01``) limits it to that store, as ``store`` does.
    ``without`` are the names of look-ups that are left out.
    """
    text = text.replace("\0", "")[:LONGEST].strip()
    own, code = (text, store) if store else _within_store(text, user)
    asked = [
        each
        for each in look_ups_for(user)
        if each.name not in without and not (code and each.model is Store)
    ]
    answer = Answer(own, code, asked)
    for find in ("find", "through"):
        for each in tuple(asked) if own and not answer.exact else ():
            rows = _rows_of(each, user, code)
            try:
                if exact := list(getattr(each, find)(rows, own, user)):
                    answer.exact.append(_shown(each, rows, exact, "", user))
                elif find == "find" and (near := list(each.near(rows, own, user))):
                    count = f"{len(near):,}" + ("+" if len(near) == MOST_FOUND else "")
                    message = each.sentence % {"number": len(near), "count": count}
                    answer.near.append(_shown(each, rows, near, message, user))
            except NeuralError as error:
                logger.warning("event=look_up_failed name=%s error=%r", each.name, str(error))
                asked.remove(each)
                values = {"kind": each.label, "error": error}
                answer.notices.append(_("Not looked for as %(kind)s: %(error)s") % values)
    if redacted_text(own) != own and not sees_personal_data(user):
        answer.notices.append(_("Phones are looked up for those alone who may see personal data."))
    return answer


def _within_store(text: str, user: Any) -> tuple[str, str]:
    """The id and the store's code, if there is one at an end of the text."""
    words = text.split()
    ends = [words[-1], words[0]] if len(words) > 1 else []
    mine = set(Store.objects.for_user(user).filter(pk__in=ends).values_list("pk", flat=True))
    for code in ends:
        if code in mine:
            rest = words[:-1] if code is ends[0] else words[1:]
            return " ".join(rest), code
    return text, ""


def _rows_of(look_up: LookUp, user: Any, store: str) -> QuerySet:
    rows: Any = look_up.model._default_manager
    rows = rows.for_user(user)
    return rows.in_stores([store]) if store else rows


def _shown(look_up: LookUp, rows: QuerySet, keys: Sequence[Any], title: str, user: Any) -> Rows:
    newest = sorted(keys, reverse=True)[:MOST_SHOWN]
    large = [each.name for each in rows.model._meta.fields if isinstance(each, JSONField)]
    found: Any = list(rows.filter(pk__in=newest).order_by("-pk").defer(*large))
    about = look_up.about(found, user)
    visible = [
        Shown(
            row=row,
            store=getattr(row, "store_id", "") or getattr(row, "store_code", ""),
            moment=getattr(row, look_up.moment, None),
            state=getattr(row, "get_state_display", str)(),
            about=about.get(row.pk, ()),
        )
        for row in found
    ]
    title = title or str(rows.model._meta.verbose_name_plural)
    return Rows(look_up, title, visible, is_more=len(keys) > MOST_SHOWN)


class LookUpAdmin(NeuralAdmin):
    """An admin with one more address: the look-up of ids."""

    @address("look-up/", PAGE, require_safe)
    def look_up_view(self, request: HttpRequest) -> HttpResponse:
        """What was found; the page of a row that alone was meant."""
        if not look_ups_for(request.user):
            raise PermissionDenied
        text = request.GET.get("q", "").strip()
        if page := page_named(text, self.admin_site.get_app_list(request)):
            return HttpResponseRedirect(page)
        answer = look_up(text, request.user)
        if answer.only and (address := page_address(answer.only)):
            return HttpResponseRedirect(address)
        search_address = self._search_address(request, answer)
        if search_address and answer.is_unknown:
            return HttpResponseRedirect(search_address)
        return self.own_page(
            request,
            "admin/neural/look_up.html",
            title=_("Look up"),
            media=self.media + Media(css={"all": ("neural/figures.css",)}),
            tab="neural_retrieval.search",
            answer=answer,
            search_address=search_address,
        )

    def _search_address(self, request: HttpRequest, answer: Answer) -> str:
        """Of the same text in the search by words and meaning; empty if the user has none."""
        asked = urlencode({"q": answer.text} | ({"store": answer.store} if answer.store else {}))
        page = list_of("neural_retrieval.search", request, self.admin_site)
        return f"{page}?{asked}" if page else ""
