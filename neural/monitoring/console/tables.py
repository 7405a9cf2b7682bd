"""The home's tables: queues, processes, silent stores."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.admin.display import NOTHING, of_bytes
from neural.ledger.work import work_title
from neural.models import QueuePause, Store
from neural.monitoring.console.page import Viewer
from neural.monitoring.console.queue_facts import RATE_MINUTES, rates_of, with_pace
from neural.monitoring.console.spans import ByQueue, Timeline, total_of
from neural.monitoring.console.texts import ago, clock, moment_of, rough
from neural.monitoring.console.verdict import Watched
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.reading import Figures
from neural.queues import QUEUES
from neural.queues.state import QueueState
from neural.worker.models import ProcessKind

SILENT_AFTER = dt.timedelta(days=1)
FORGOTTEN_AFTER = dt.timedelta(days=14)
"""A store that was silent for longer is no longer expected to send."""
STORES_SHOWN = 8
QUEUES_SHOWN = 20


@dataclass(frozen=True)
class QueueTable:
    """Queues: those that need somebody first if not all are shown."""

    rows: Sequence[QueueState]
    more: int = 0


def queues_of_chain(watched: Watched, recent: Timeline | None) -> QueueTable:
    """The project's queues and others that are in use; of the pace, what is known. The state of a
    queue that is not among ``watched.queues`` is unknown."""
    pace = rates_of(total_of(recent.steps[-RATE_MINUTES - 1 : -1] if recent else ()))
    names = dict.fromkeys([*(watched.queues or QUEUES), *pace])
    asked = (watched.queues.get(name) or QueueState(name=name) for name in names)
    states = list(with_pace(asked, pace if recent else None).values())
    if len(states) > QUEUES_SHOWN:
        states.sort(key=lambda each: (not each.is_late, not each.is_unread, not each.pause))
    return QueueTable(states[:QUEUES_SHOWN], len(states[QUEUES_SHOWN:]))


def readers_text(number: int) -> str:
    """How many workers read a queue."""
    return ngettext("%(count)d worker", "%(count)d workers", number) % {"count": number}


def pause_text(pause: QueuePause | None, now: dt.datetime) -> str:
    """Who has paused a queue and until when; empty if nobody has."""
    if pause is None:
        return ""
    if pause.until is None:
        return _("paused by %(who)s") % {"who": pause.paused_by}
    is_today = timezone.localdate(pause.until) == timezone.localdate(now)
    about = {"who": pause.paused_by, "until": clock(pause.until, with_day=not is_today)}
    return _("paused until %(until)s by %(who)s") % about


def queues_of_stores(watched: Watched, day: Timeline) -> Sequence[tuple[str, Figures, str]]:
    """Queues as the viewer's stores used them in a day, and whether they are paused, which is no
    store's secret."""
    paused = {name: pause_text(each.pause, watched.now) for name, each in watched.queues.items()}
    return [(name, day.total[name], paused.get(name, "")) for name in in_order(day.total)]


def in_order(queues: ByQueue) -> list[str]:
    """Names of queues: the project's own first."""
    own = [name for name in QUEUES if name in queues]
    return own + sorted(name for name in queues if name not in own)


def processes(watched: Watched) -> Sequence[Mapping[str, Any]]:
    """Workers, relays and beats that were there at the examination."""
    return [
        {
            **facts,
            "kind": ProcessKind(facts["kind"]).label if facts["kind"] in ProcessKind else "",
            "heard": ago(moment_of(facts["heartbeat_at"]), watched.now),
            "doing": _doing(facts, watched.now),
            "memory": of_bytes(facts["memory_bytes"]) if facts["memory_bytes"] else NOTHING,
        }
        for facts in watched.processes
    ]


def _doing(facts: Mapping[str, Any], now: dt.datetime) -> str:
    if facts["kind"] != ProcessKind.WORKER or not facts["queues"]:
        return NOTHING
    if not facts["running"]:
        return _("nothing now")
    since = moment_of(facts["working_since"])
    about = {
        "running": facts["running"],
        "all": facts["concurrency"],
        "work": work_title(facts["work"]),
        "span": rough(now - since if since else None),
    }
    return _("%(running)d of %(all)d: %(work)s, %(span)s") % about


@dataclass(frozen=True, kw_only=True)
class SilentStore:
    """A store that has sent nothing for a while."""

    code: str
    name: str
    last_at: dt.datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Silent stores, those that have been silent the shortest first, and how many stores send."""

    rows: Sequence[SilentStore]
    total: int

    @property
    def listed(self) -> Sequence[SilentStore]:
        return self.rows[:STORES_SHOWN]

    @property
    def more(self) -> int:
        return len(self.rows) - len(self.listed)


def silence(viewer: Viewer, watched: Watched, alerts: Sequence[Any]) -> Silence:
    """Stores that the rule of alerts calls silent in their business hours, and those without an
    event for a day."""
    last = reading.last_events(viewer.stores)
    sending = {code: at for code, at in last.items() if watched.now - at < FORGOTTEN_AFTER}
    alerted = {
        code
        for alert in alerts
        if alert.rule == "silent_store"
        for code in (alert.store_code, *alert.stores)
    }
    silent = [code for code, at in sending.items() if watched.now - at > SILENT_AFTER]
    codes = sorted({*silent, *(alerted & sending.keys())}, key=lambda code: sending[code])[::-1]
    names = dict(Store.objects.filter(pk__in=codes[:STORES_SHOWN]).values_list("pk", "name"))
    rows = [_silent(code, names.get(code, ""), sending[code], watched.now) for code in codes]
    return Silence(rows=rows, total=len(sending))


def _silent(code: str, name: str, last_at: dt.datetime, now: dt.datetime) -> SilentStore:
    about = {"store": code, "span": rough(now - last_at)}
    text = _("%(store)s for %(span)s") % about
    return SilentStore(code=code, name=name, last_at=last_at, text=text)


def merged(steps: Sequence[ByQueue], every: int) -> list[ByQueue]:
    """Every so many steps as one."""
    return [total_of(steps[n : n + every]) for n in range(0, len(steps), every)]
