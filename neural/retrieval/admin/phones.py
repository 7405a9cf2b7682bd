"""Finds the events that name a phone, for the look-up of ids: the search index has the texts of
payloads, and the payloads themselves say which hits are it."""

import re
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from neural.admin.look_up import LookUp, register_look_up
from neural.kit.errors import NeuralError
from neural.models import NeuralEvent
from neural.models.store import visible_stores
from neural.personal.erasing.tables import chunks_of
from neural.personal.person import Person
from neural.personal.redacting import key_rules, redacted_text, sees_personal_data
from neural.retrieval.collections.documents import parts_of
from neural.retrieval.neural_collections import NAME
from neural.retrieval.query.searching import MOST, search
from neural.runs.about import about_events

DIGITS = re.compile(r"[+＋]?(?:[\s()（）-]*\d){7,15}")
"""Texts that may be a phone."""


class NotAllSearched(NeuralError):
    """The index is not complete, so what it does not find may be there all the same."""


def _naming(rows: QuerySet, text: str, user: Any) -> list[int]:
    """Events that name these digits, in whatever way they are grouped."""
    if not DIGITS.fullmatch(text):
        return []
    person = Person(phone=text, rules=key_rules())
    # The index has each number as it is written but for its separators.
    forms = " ".join(f"{code}{person.digits}" for code in ("", "86", "0086"))
    found = search(forms, NAME, top_k=MOST, stores=visible_stores(user))
    ids = {parts_of(hit.key)[1] for hit in found}
    keys = {each for each in ids if each.isdecimal()}  # others were ingested: no event has them
    chunks = chunks_of(rows.filter(pk__in=keys), ["payload"])
    named = [pk for chunk in chunks for pk, text in chunk if text and person.is_in(text)]
    if found.notices and not named:
        raise NotAllSearched(" ".join(found.notices))
    return named


def _is_phone(text: str) -> bool:
    """Whether this looks like nothing but a phone; other digits may be an id as well."""
    return redacted_text(text) != text


register_look_up(
    LookUp(
        name="phone",
        place=50,
        model=NeuralEvent,
        label=_("phone"),
        find=lambda rows, text, user: _naming(rows, text, user) if _is_phone(text) else (),
        near=lambda rows, text, user: () if _is_phone(text) else _naming(rows, text, user),
        sentence=ngettext_lazy("%(count)s event names it", "%(count)s events name it", "number"),
        moment="occurred_at",
        about=about_events,
        may_ask=sees_personal_data,
    )
)
