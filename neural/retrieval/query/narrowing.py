"""Narrowing a search by the filters in its text: their values are looked up, a store by its code or
name, a type by what it is called."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from neural.events.types import event_types
from neural.models import Store
from neural.retrieval.collections.registry import SearchCollection, collection_of
from neural.retrieval.collections.trade import codes_called, shown_as
from neural.retrieval.query.filters import AT, CODES, MONEY, WHEN, read_filters
from neural.retrieval.query.parsing import parse_query
from neural.retrieval.stores.base import FactCondition as Condition
from neural.retrieval.stores.base import Within
from neural.retrieval.text import fold, has_chinese

MOST_NAMED = 12
"""Known values that a notice names."""


def narrowed(
    text: str, within: Within, collection: SearchCollection, *, guessing: bool = True
) -> tuple[str, Within, Sequence[str]]:
    """The text without its filters, the rows within that they leave, and notices: of what is
    unknown, which is searched as words, and of words that limit the search. These are guessed to
    mean a filter; without ``guessing`` they leave all rows. Filters only take rows away: nobody
    sees more by one."""
    read = read_filters(text, today=timezone.localdate(), ahead=collection.lies_ahead)
    notices = [_notice(each.written, each.name, each.known) for each in read.unknown]
    facts, everything = list[Any](within.facts), within
    for each in read.conditions if guessing else read.named:
        if each.name == "store":
            codes, unknown = _stores(each, within)
            notices += [_no_store(value, within) for value in unknown]
            within = replace(within, stores=codes)
        elif each.name == "type":
            own = _types(each)
            within = replace(within, kinds=own & within.kinds if within.kinds else own)
        elif each.name == AT or (each.name == WHEN and collection.happens):
            within = _in_time(within, each)
        elif each.name == MONEY:
            facts += [each._replace(name="amount")] if collection.has_amounts else []
        elif each.name != WHEN:
            facts.append(each)
    within = replace(within, facts=tuple(facts))
    if read.words and within != everything:
        notices.append(limited_by(read.words))
    return read.text, within, notices


def limited_by(words: Iterable[str]) -> str:
    """The notice of words that limit a search."""
    return _("Limited by the words %(words)s.") % {"words": _(", ").join(words)}


MOST_STORES = 40
"""Only so many words of a text are looked up as codes of stores."""
_CODE = re.compile(
    r"(?<![\w/.:：=\"“|、-])(?=[A-Za-z-]*\d)(?P<code>[A-Za-z][A-Za-z0-9-]*)(?![A-Za-z0-9_/.-])"
    r"(?:店(?![长员]))?",
    re.ASCII,
)


def in_named_stores(text: str, within: Within) -> tuple[str, Within]:
    """The text without the codes of stores beside other words (``S03 退款``), and the rows within
    of these stores. A code that is all of the text is searched like any word, and so is one without
    a letter and a digit, which may be meant otherwise."""
    codes_there = islice(_CODE.finditer(text), MOST_STORES)
    written = {form for each in codes_there for form in _cases(each["code"])}
    if not written or not _CODE.sub("", text).strip():
        return text, within
    codes = frozenset(_visible(within).filter(pk__in=written).values_list("pk", flat=True))

    def left(match: re.Match[str]) -> str:
        return match[0] if codes.isdisjoint(_cases(match["code"])) else " "

    rest = _CODE.sub(left, text).strip() if codes else ""
    return (rest, replace(within, stores=codes)) if rest else (text, within)


def _cases(code: str) -> tuple[str, ...]:
    return code, code.upper(), code.lower()


_ANY = ("all", "any", "newest", "latest", "recent", "最新", "最近", "全部", "所有", "的")


def says_nothing(text: str, collection: str) -> bool:
    """Whether a text beside filters only says that all or the newest of the collection are sought,
    as in *orders yesterday* and 最新的订单."""
    rest = fold(text)
    for name in _names_of(collection):
        rest = rest.replace(name, " ")
    return all(each.weight < 1 and not has_chinese(each.text) for each in parse_query(rest).parts)


@lru_cache
def _names_of(collection: str) -> Sequence[str]:
    """What says which collection is meant, and that any of its records is; the longest first."""
    names = [*_ANY, collection]
    for language in ("en", "zh-hans"):
        with override(language):
            names.append(fold(str(collection_of(collection).label)))
    return sorted({*names, *(each.removesuffix("s") for each in names)}, key=len, reverse=True)


def concerning(within: Within, collection: SearchCollection) -> Within:
    """Within, where the records of the collection belong to no store and happen again: those that
    concern one of these stores in this period, at the time when they last did."""
    is_limited = within.stores is not None or within.since or within.until
    if not collection.concerns or not is_limited:
        return within
    keys = collection.concerns(within.stores, within.since, within.until)
    stores = frozenset({""} if keys else ())
    return replace(within, stores=stores, since=None, until=None, keys=keys)


def _values(condition: Condition) -> Sequence[Any]:
    return condition.value if isinstance(condition.value, tuple) else (condition.value,)


def _visible(within: Within) -> Any:
    return Store.objects.in_stores(within.stores)


def _stores(condition: Condition, within: Within) -> tuple[frozenset[str], list[str]]:
    """The codes of the stores that are named, by code, name or a part of the name; and the values
    that name none. Records may have been ingested for a store that there is not."""
    codes, unknown = set[str](), list[str]()
    for value in _values(condition):
        named = Q(code__iexact=value.removesuffix("店")) | Q(code__iexact=value)
        found = _found(within, named | Q(name__iexact=value)) or _found(
            within, Q(name__icontains=value)
        )
        codes |= found or {value}
        unknown += [] if found else [value]
    return frozenset(codes if within.stores is None else codes & within.stores), unknown


def _found(within: Within, condition: Q) -> set[str]:
    return set(_visible(within).filter(condition).values_list("pk", flat=True))


def _no_store(written: str, within: Within) -> str:
    known = _visible(within).order_by("pk").values_list("pk", flat=True)[: MOST_NAMED + 1]
    values = {"written": written, "known": _listed(list(known))}
    return _("No store is called %(written)s; there are: %(known)s.") % values


def _types(condition: Condition) -> frozenset[str]:
    """Event types that are called so, and the values themselves: kinds of other records."""
    names = [each.name for each in event_types()]
    values = [str(value) for value in _values(condition)]
    return frozenset(values).union(*(codes_called(value.lower(), names) for value in values))


def _in_time(within: Within, condition: Condition) -> Within:
    at = _moment(condition.value)
    if condition.operator == ">=":
        return replace(within, since=max(filter(None, (within.since, at))))
    return replace(within, until=min(filter(None, (within.until, at))))


def _moment(value: Any) -> dt.datetime:
    """The local beginning of a day; a time as it is."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time.min)
    return value if timezone.is_aware(value) else timezone.make_aware(value)


def _notice(written: str, name: str, known: Iterable[str]) -> str:
    """What is unknown and was searched as words, and what is known."""
    is_chinese = (get_language() or "").startswith("zh")
    names = [shown_as(each, chinese=is_chinese) if name in CODES else each for each in known]
    values = {"written": written, "known": _listed(names)}
    if not name:
        return _("%(written)s is no filter and was searched as words; filters: %(known)s.") % values
    if not names:
        return _("%(written)s was searched as words: it names no number and no day.") % values
    return _("%(written)s was searched as words; that filter knows: %(known)s.") % values


def _listed(names: Sequence[str]) -> str:
    return _(", ").join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")
