"""What a keystroke in the header's box costs, which asks all collections of a chain over HTTP."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from benchmarks.console.pages import Page, Viewer, headers_of
from benchmarks.console.walking import spread, walk
from benchmarks.http_load import web_processes
from benchmarks.machine import QUICK, idle_share, processor_seconds
from benchmarks.search_questions import world
from neural.admin.look_up import SUGGESTIONS
from neural.models import NeuralEvent, Store
from neural.restaurant.models import Order, OrderState
from neural.restaurant.models.newest import version_of
from neural.retrieval.collections.documents import key_of
from neural.retrieval.collections.registry import collection_of, document_of
from neural.retrieval.index.active import active_index, written_indexes
from neural.retrieval.index.writing import search_row
from neural.retrieval.stores import words

TYPED = {
    "a word": ("croissan", "extra napkins"),
    "a slip": ("sourdogh", "kung pao chiken"),
    "initials": ("gbjd", "mpdf"),
    "pinyin": ("gongbaoj", "mapo douf"),
    "Chinese": ("麻婆豆腐", "宫保鸡丁", "不要香菜"),
    "an order": ("R-6417", "6417"),
    "a phone": ("13800421337", "1380042 1337"),
    "a table": ("table 12", "12号桌"),
}
"""Each beginning of two characters or more is asked for, as by the box."""
CLIENTS, PAUSE = 4, 0.15
"""How many type at once, and the seconds for which the box waits for a further key."""
OWN_STORES, AT_A_TIME = 5, 500


def measured(invented: Iterator[dict[str, Any]], number: int, repeats: int) -> dict[str, Any]:
    """Waits and processor time among so many records: half of them orders, half the events that
    stated them, and beside them those of `benchmarks.search_questions`."""
    if Order.objects.count() < number // 2:  # they were not kept
        _build(islice(invented, number // 2))
    if active_index("orders") is None:
        raise RuntimeError("it was kept with vectors elsewhere: set NEURAL_VECTOR_STORE as then")
    chain, own = _viewer("operator", "every store"), _viewer("operator", stores=OWN_STORES)
    figures: dict[str, Any] = {}
    with web_processes() as (port, processes):
        for name, viewer in (("all stores", chain), (f"{OWN_STORES} stores", own)):
            walk(port, [viewer] * 2, seconds=0, pause=0)  # each process has begun
            for clients, pause in ((1, 0.0), (CLIENTS, PAUSE)):
                found = _typed(port, processes, [viewer] * clients, pause, repeats)
                figures[f"{clients} typing, {name}"] = found
    return figures


def _typed(
    port: int, processes: Sequence[int], viewers: Sequence[Viewer], pause: float, repeats: int
) -> dict[str, Any]:
    """PostgreSQL's processor time is known if it is on this machine."""
    idle, servers = idle_share(), _servers()
    used = [processor_seconds(each) for each in (processes, servers)]
    waits: dict[str, list[float]] = {}
    for _ in range(repeats):
        for kind, some in walk(port, viewers, seconds=0, pause=pause).items():
            waits.setdefault(kind, []).extend(some)
    every = [wait for some in waits.values() for wait in some]
    web, there = (
        round(1000 * (processor_seconds(each) - before) / len(every), 1)
        for each, before in zip((processes, servers), used, strict=True)
    )
    costs = {"idle_before": round(idle, 2), "web_processor_ms": web, "postgresql_ms": there}
    return {**costs, "all": spread(every), **{kind: spread(some) for kind, some in waits.items()}}


def _servers() -> list[int]:
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def _viewer(*groups: str, stores: int = 0) -> Viewer:
    call_command("create_groups", stdout=sys.stderr)
    users = get_user_model()._default_manager
    user, _ = users.get_or_create(username=" ".join(groups), is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    user.neural_stores.set(Store.objects.filter(brand="").order_by("-pk")[:stores])
    address = reverse(f"admin:{SUGGESTIONS}")
    starts = [
        (kind, f"{address}?{urlencode({'q': text[:end]})}")
        for kind, texts in TYPED.items()
        for text in texts
        for end in range(len(text) if QUICK else 2, len(text) + 1)
    ]
    pages = [Page(kind, lambda _, start=start: start, {}) for kind, start in starts]
    return Viewer(headers_of(user, "en"), pages)


def _build(invented: Iterator[dict[str, Any]]) -> None:
    if not QUICK:
        world.build(filling=0)
    call_command("rebuild_index", "--now", stdout=sys.stderr)
    while some := list(islice(invented, AT_A_TIME)):
        stores = (Store(code=each["store_id"]) for each in some)
        Store.objects.bulk_create(stores, ignore_conflicts=True)
        events = NeuralEvent.objects.bulk_create(map(_event, some))
        Order.objects.bulk_create(map(_order, some, events))
        _index("events", [key_of(store=each.store_id, id=str(each.pk)) for each in events])
        _index("orders", [key_of(store=each["store_id"], id=each["id"]) for each in some])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _event(order: dict[str, Any]) -> NeuralEvent:
    facts = {name: order[name] for name in ("phone", "table", "note", "channel", "guest")}
    lines = [{"name": each, "quantity": 1} for each in order["dishes"]]
    return NeuralEvent(
        store_id=order["store_id"],
        source="till",
        event_id=f"{order['id']}-stated",
        type="order.stated",
        payload={"order_id": order["id"], "total": str(order["amount"]), "lines": lines, **facts},
        occurred_at=datetime.fromisoformat(order["at"]),
    )


def _order(order: dict[str, Any], event: NeuralEvent) -> Order:
    return Order(
        store_id=order["store_id"],
        key=order["id"],
        number=order["id"],
        state=OrderState.PLACED,
        placed_at=event.occurred_at,
        business_day=event.occurred_at.date(),
        total=order["amount"],
        content_version=version_of(event),
    )


def _index(name: str, keys: list[str]) -> None:
    """Write the words of records. Their vectors are not asked while somebody types."""
    collection = collection_of(name)
    (index,) = written_indexes(collection)
    records = collection.source.load(keys) if collection.source else {}
    made = ((key, document_of(name, record)) for key, record in records.items())
    words.upsert(index.pk, [search_row(index, key, each, version=1) for key, each in made])
    index.rows += len(keys)
    index.save(update_fields=["rows"])
