"""Reading a question: what of it limits the search, and what is left to be looked up.

Filters are those that it writes (``store:S01``), and those that are guessed from its words: days,
amounts, names of stores, and what to leave out (``-宫保``, *without beef*). They only take rows
away: nobody sees more by one. What stands in quotes is no filter.
"""

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, reduce
from operator import or_
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from neural.events.types import event_types
from neural.models import Store
from neural.retrieval.collections.registry import SearchCollection, collection_of
from neural.retrieval.collections.trade import codes_called, shown_as
from neural.retrieval.query.filters import (
    AT,
    CODES,
    DATE,
    MONEY,
    WHEN,
    Unknown,
    read_filters,
    with_digits,
)
from neural.retrieval.query.parsing import ParsedQuery, parse_query, weight_of
from neural.retrieval.stores.base import FactCondition as Condition
from neural.retrieval.stores.base import Within
from neural.retrieval.text import HAN, compatible, fold, has_chinese, has_digit, word_tokens

MOST_NAMED = 12
"""Known values that a notice names."""
MOST_STORES = 40
"""Only so many pieces of a question are looked up in the names of stores."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A question as one collection reads it."""

    parsed: ParsedQuery
    """What is looked up."""
    text: str
    """What is to be embedded: the same as it was written, with *without alcohol*."""
    within: Within
    """The rows that all filters leave."""
    wide: Within
    """The rows without what is guessed from words: an exact number is shown whatever they say."""
    without: Sequence["LeftOut"] = ()
    """What rows may not have."""
    limits: tuple[str, ...] = ()
    """The words that are guessed to limit the search."""
    notices: tuple[str, ...] = ()
    """What was not understood."""
    lists: bool = False
    """Whether nothing is asked beside filters: then the newest rows are listed."""


class LeftOut(NamedTuple):
    """Leaves out rows that have all of these tokens, unless they have one of the others."""

    tokens: frozenset[str]
    unless: frozenset[str] = frozenset[str]()

    def fits(self, tokens: frozenset[str]) -> bool:
        """Whether a row with these tokens is left out."""
        return self.tokens <= tokens and self.unless.isdisjoint(tokens)


_LACKING = frozenset(("no", "non", "without", "free"))
"""What a record says that lacks something, beside the name of it."""
_HIDDEN = "\ue000"
"""Stands for what is quoted while filters are read."""
_QUOTED = re.compile(r"(?<![:=<>：＝＜＞])[\"“”]([^\"“”]{1,400})[\"“”]")
_PHRASE = rf"[{HAN}\w][{HAN}\w.'-]{{0,40}}"
_WITHOUT = re.compile(
    rf"(?<!\S)-(?P<dash>(?!\d){_PHRASE})"
    r"|(?<![a-z])(?:without(?: any| the)?|except(?: for)?|excluding)\s"
    rf"(?P<english>{_PHRASE}(?: (?-i:[A-Z])\w{{0,40}}){{0,3}})"
    rf"|(?:除了|除去|不包括|不含)\s?(?P<chinese>{_PHRASE}?)(?:以外|之外|的|(?=[\s,，。]|$))的?",
    re.IGNORECASE,
)


def read_question(
    text: str, within: Within, collections: Iterable[SearchCollection]
) -> dict[str, Reading]:
    """A question as each of these collections reads it, by name."""
    quoted: list[str] = []
    notices: list[str] = []
    left_out: dict[str, LeftOut] = {}

    def hide(match: re.Match[str]) -> str:
        quoted.append(match[1])
        return f" {_HIDDEN} "

    def leave_out(match: re.Match[str]) -> str:
        phrase = match["dash"] or match["english"] or match["chinese"]
        tokens = frozenset(word_tokens(phrase))
        if tokens and not read_filters(phrase, today=timezone.localdate()).conditions:
            unless = _LACKING if match["english"] else frozenset[str]()
            left_out[match[0].strip()] = LeftOut(tokens, unless)
            return " "
        notices.append(_not_understood(match[0].strip()))
        quoted.append(phrase)
        return f" {_HIDDEN} "

    asked = _WITHOUT.sub(leave_out, _QUOTED.sub(hide, compatible(text)))
    if left_out and not asked.strip():
        notices, asked, left_out = [_not_understood(each) for each in left_out], text, {}
    rest, stores = _named_stores(asked, within)
    found = cache(lambda condition: _stores(condition, within))
    readings = {}
    for each in collections:
        read = read_filters(rest, today=timezone.localdate(), ahead=each.lies_ahead)
        wide, narrow, unknown = within, within, list[str]()
        for condition in read.named:
            wide = _limited(wide, condition, each, found)
            unknown += found(condition)[1] if condition.name == "store" else []
        narrow = replace(wide, stores=_both(wide.stores, stores)) if stores else wide
        of_stores = narrow
        for condition in read.conditions:
            narrow = narrow if condition in read.named else _limited(narrow, condition, each, found)
        written = read.text if read.conditions else rest
        for condition in read.conditions:
            if condition.name == DATE and each.has_days:
                written += f" {condition.value[1]}"
        for phrase in quoted:
            written = written.replace(_HIDDEN, phrase, 1)
        written = with_digits(" ".join(written.split()) if quoted or left_out else written)
        lists = (narrow != within or bool(left_out)) and _says_nothing(written, each.name)
        words = (*stores.values(), *(read.words if narrow != of_stores else ()), *left_out)
        readings[each.name] = Reading(
            parsed=parse_query("" if lists else written),
            text=" ".join([written, *(each for each, one in left_out.items() if one.unless)]),
            within=_concerning(narrow, each),
            wide=_concerning(wide, each) if wide != narrow else _concerning(narrow, each),
            without=tuple(left_out.values()),
            limits=tuple(dict.fromkeys(words)),
            notices=(*notices, *map(_unknown, read.unknown), *unknown),
            lists=lists,
        )
    return readings


def _limited(
    within: Within,
    condition: Condition,
    collection: SearchCollection,
    stores: Callable[[Condition], tuple[frozenset[str], Sequence[str]]],
) -> Within:
    """The rows within that fulfil a condition."""
    name = condition.name
    if name == "store":
        return replace(within, stores=stores(condition)[0])
    if name == DATE and not collection.has_days:
        since = Condition(WHEN, ">=", condition.value[0])
        until = Condition(WHEN, "<", condition.value[0] + dt.timedelta(days=1))
        within = _limited(within, since, collection, stores)
        return _limited(within, until, collection, stores)
    if name == "type":
        own = _types(condition)
        return replace(within, kinds=own & within.kinds if within.kinds else own)
    if name == AT or (name == WHEN and collection.happens):
        at = _moment(condition.value)
        if condition.operator == ">=":
            return replace(within, since=max(filter(None, (within.since, at))))
        return replace(within, until=min(filter(None, (within.until, at))))
    if name in (WHEN, DATE) or (name == MONEY and not collection.has_amounts):
        return within
    fact = condition._replace(name="amount") if name == MONEY else condition
    return replace(within, facts=(*within.facts, fact))


_BEFORE = '(?<![A-Za-z0-9_/.:=<>|、"-])'
_AFTER = "(?![A-Za-z0-9_/.-])"
_CODE = re.compile(rf"{_BEFORE}(?=[A-Za-z-]*\d)[A-Za-z][A-Za-z0-9-]{{0,63}}{_AFTER}", re.ASCII)
_NAMES = re.compile(rf"[{HAN}]+|[A-Za-z][A-Za-z0-9'& ]+")
_SHORTEST_NAME = 4
"""In letters, of a store's name that is looked for in a question."""


def _named_stores(text: str, within: Within) -> tuple[str, dict[str, str]]:
    """The text without the stores that stand beside other words by code or name (``S03 退款``,
    望京小馆退款), and by code what was written. What is all of the text is searched like any word,
    and so is a code without a letter and a digit, which may be meant otherwise."""
    codes = {form for each in _CODE.findall(text) for form in (each, each.upper(), each.lower())}
    tokens = word_tokens(text)
    words = {each for each in tokens if len(each) > 1 and weight_of(each) == 1}
    if len(tokens) < 2:
        return text, {}
    asked = [Q(name__icontains=each) for each in sorted(words) if not has_digit(each)]
    wanted = reduce(or_, asked[:MOST_STORES], Q(pk__in=sorted(codes)[:MOST_STORES]))
    forms: dict[str, list[str]] = {}
    for code, name in _visible(within).filter(wanted).values_list("pk", "name"):
        for form in _forms_of(code, name):
            forms.setdefault(form, []).append(code)
    rest, found = text, dict[str, str]()
    for form in sorted(forms, key=len, reverse=True):
        before, after = (
            ("(?<![:=|、])", "") if has_chinese(form) else (_BEFORE, "(?![A-Za-z0-9_/.-])")
        )
        pattern = re.compile(rf"{before}{re.escape(form)}(?:'s)?{after}(?:店(?![长员]))?", re.I)
        if match := pattern.search(rest):
            found |= dict.fromkeys(forms[form], match[0])
            rest = pattern.sub(" ", rest)
    return (rest.strip(), found) if rest.strip() else (text, {})


def _forms_of(code: str, name: str) -> Iterator[str]:
    """How a store is named in questions: by its code, and by each part of its name that is Chinese
    or Latin alone."""
    if _CODE.fullmatch(code):
        yield code.lower()
    for run in _NAMES.findall(compatible(name)):
        form = run.strip().lower().removesuffix("店")
        if len(form) >= (2 if has_chinese(form) else _SHORTEST_NAME):
            yield form


def _both(some: frozenset[str] | None, others: Collection[str]) -> frozenset[str]:
    return frozenset(others) if some is None else some.intersection(others)


_ANY = (
    "all",
    "any",
    "newest",
    "latest",
    "recent",
    "最新",
    "最近",
    "全部",
    "所有",
    "单子",
    "单",
    "的",
)


def _says_nothing(text: str, collection: str) -> bool:
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


def _concerning(within: Within, collection: SearchCollection) -> Within:
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
    """The codes of the stores that are named, by code, name or a part of the name; and notices of
    values that name none. Records may have been ingested for a store that there is not."""
    codes, unknown = set[str](), list[str]()
    for value in _values(condition):
        named = Q(code__iexact=value.removesuffix("店")) | Q(code__iexact=value)
        found = _found(within, named | Q(name__iexact=value)) or _found(
            within, Q(name__icontains=value)
        )
        codes |= found or {value}
        unknown += [] if found else [_no_store(value, within)]
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


def _moment(value: Any) -> dt.datetime:
    """The local beginning of a day; a time as it is."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time.min)
    return value if timezone.is_aware(value) else timezone.make_aware(value)


def _not_understood(written: str) -> str:
    text = _("%(written)s was searched as words: it names no words beside others to leave out.")
    return text % {"written": written}


def _unknown(found: Unknown) -> str:
    """What is unknown and was searched as words, and what is known."""
    written, name, known = found
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
