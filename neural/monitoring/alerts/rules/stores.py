"""The rule about stores that are silent in their business hours."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.health.findings import listed, span
from neural.models import Store
from neural.monitoring.alerts.rules import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    register_rule,
)
from neural.monitoring.alerts.rules.silence import HOUR, like_hours, silence_since, usual
from neural.monitoring.models import Alert, Severity
from neural.monitoring.models.alerts import PART
from neural.monitoring.rollups import reading

CACHED_HOURS = 500
"""What is usual in so many hours is cached: enough for a day in twenty time zones."""
MOST_NAMED, NAMED_IN_SENTENCE = 100, 10
"""So many silent stores an alert of the chain knows by their codes, and names in its sentence."""
MONTH = dt.timedelta(days=28)
"""A store that has sent nothing for longer has no usual hours."""


def _silent_store(view: View, thresholds: Thresholds) -> Judgement:
    """Each store is judged by its own clock; not on its country's holidays. After an outage of
    ours, each has its time anew: tills send again when they notice."""
    if not view.has_figures:
        return UNKNOWN
    patience = dt.timedelta(seconds=thresholds["silent_store_seconds"])
    last_events = reading.last_events()
    quiet = {
        code: last for code, last in last_events.items() if patience <= view.now - last < MONTH
    }
    found, on_holiday = [], set()
    for store in Store.objects.filter(pk__in=quiet).order_by("pk"):
        last = quiet[store.pk]
        silence = silence_since(
            max(last, view.watched_since), view.now, partial(usual_events, store)
        )
        if silence.business_seconds < patience.total_seconds():
            continue
        if silence.events < thresholds["silent_store_events"]:
            continue
        if is_holiday(store.country, view.now.astimezone(store.zone).date()):
            on_holiday.add(store.pk)
            continue
        facts = {
            "name": str(store),
            "last_at": last.isoformat(),
            "seconds": round((view.now - last).total_seconds()),
            "usual": round(silence.events),
        }
        found.append(Condition(subject=store.pk, store_code=store.pk, facts=facts))
    if len(found) > _most_apart(thresholds):
        found = [_of_chain(found, of=len(last_events)), *map(_part, found)]
    return Judgement(found, knows=lambda code: code not in on_holiday)


def _most_apart(thresholds: Thresholds) -> float:
    """How many stores may be silent, each with an alert of its own, before it is one of the chain.

    That one ends at half of the number, so that a store more or less does not make it come and go.
    """
    most = thresholds["silent_stores_together"]
    chain = Alert.objects.unresolved().filter(rule=SILENT_STORE.name, subject="")
    return most // 2 if chain.exists() else most


def _of_chain(stores: Sequence[Condition], *, of: int) -> Condition:
    """The condition of the whole chain: when many stores are silent, the fault is not theirs."""
    codes = [each.store_code for each in stores]
    facts = {"stores": codes[:MOST_NAMED], "number": len(codes), "of": of}
    return Condition(severity=Severity.CRITICAL, facts=facts)


def _part(store: Condition) -> Condition:
    """The store's own condition: its operators see it, and everybody else sees the chain's."""
    return replace(store, facts={**store.facts, PART: True})


def usual_events(store: Store, hour: dt.datetime) -> float:
    """How many events the store usually sends in this hour."""
    return _usual_in(hour, store.time_zone).get(store.pk, 0.0)


@lru_cache(maxsize=CACHED_HOURS)
def _usual_in(hour: dt.datetime, time_zone: str) -> Mapping[str, float]:
    """What stores with this clock usually send in this hour. The figures of past weeks stay as they
    are, so each process reads them once."""
    by_store: dict[str, list[int]] = {}
    for like in like_hours(hour, ZoneInfo(time_zone)):
        for events in reading.events_by_hour(like, like + HOUR).values():
            for code, number in events.items():
                by_store.setdefault(code, []).append(number)
    return {code: usual(events) for code, events in by_store.items()}


def is_holiday(country: str, day: dt.date) -> bool:
    """Whether the day is a public holiday; False if the country's holidays are not known, or the
    package ``holidays`` is not installed."""
    return bool(country) and day in _holidays(country, day.year)


@lru_cache(maxsize=100)
def _holidays(country: str, year: int) -> frozenset[dt.date]:
    try:
        import holidays  # slow to import, and needed only when a store is silent

        return frozenset(holidays.country_holidays(country, years=year))
    except (ImportError, NotImplementedError):
        return frozenset()


def _silent_sentence(subject: str, facts: Facts) -> str:
    return _of_store(facts) if subject else _of_stores(facts)


def _of_stores(facts: Facts) -> str:
    sentence = _("%(number)d of %(all)d stores are silent in their business hours: %(stores)s")
    names, more = facts["stores"][:NAMED_IN_SENTENCE], facts["number"] - NAMED_IN_SENTENCE
    stores = listed(names)
    if more > 0:
        text = ngettext("%(stores)s and %(count)d more", "%(stores)s and %(count)d more", more)
        stores = text % {"stores": stores, "count": more}
    return sentence % {"number": facts["number"], "all": facts["of"], "stores": stores}


def _of_store(facts: Facts) -> str:
    last = dt.datetime.fromisoformat(facts["last_at"])
    sentence = _(
        "%(store)s has sent nothing since %(last)s (%(span)s); about %(usual)d events are usual in "
        "that time"
    )
    return sentence % {
        "store": facts["name"],
        "last": timezone.localtime(last).strftime("%Y-%m-%d %H:%M"),
        "span": span(facts["seconds"]),
        "usual": facts["usual"],
    }


SILENT_STORE = Rule(
    name="silent_store",
    title=gettext_lazy("A store is silent"),
    chain_title=gettext_lazy("Many stores are silent"),
    judge=_silent_store,
    sentence=_silent_sentence,
    remedy=gettext_lazy(
        "ask the store whether its till is on and has a network; what it sends and is refused is "
        "under Refused events"
    ),
    page="neural_neuralevent_changelist",
    rows=lambda store, facts: {"store": store} if store else {},
    thresholds=from_settings(
        silent_store_seconds=gettext_lazy("silent for (s)"),
        silent_store_events=gettext_lazy("usual events (at least)"),
        silent_stores_together=gettext_lazy("told one by one, at most (stores)"),
    ),
)
register_rule(SILENT_STORE)
