"""What an order needs on disk beside its events and runs: its read models, and its documents in the
search index."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from benchmarks.growth.ledger import execute, rows
from benchmarks.growth.measuring import drain
from benchmarks.load.events import submit_all
from benchmarks.load.menu import orders
from neural.ledger.work import Snooze
from neural.queues import HIGH_PRIORITY_QUEUE
from neural.retrieval.index.compaction import compact_search_indexes
from neural.retrieval.index.scheduling import index_outbox
from neural.retrieval.models import OutboxEntry

MOST_ORDERS = 5_000
READ_MODELS = ("neural_order", "neural_orderline", "neural_payment", "neural_dailydemand")
INDEX = ("neural_searchrow", "neural_searchterm", "neural_searchpiece", "neural_storedvector")


def measure_orders(runs: int) -> dict[str, Any]:
    """Submit, handle and index orders with a payment each; bytes that one of them then takes. A
    small ledger gets fewer."""
    number = min(MOST_ORDERS, runs // 20)
    before, indexed_before = _sizes(READ_MODELS), _sizes(INDEX)
    made = list(orders(number))
    submit_all(made)
    submit_all(_payment(order) for order in made)
    drain(HIGH_PRIORITY_QUEUE)
    for table in READ_MODELS:
        execute(f"VACUUM (ANALYZE) {table}")
    sizes = {table: size - before[table] for table, size in _sizes(READ_MODELS).items()}
    while OutboxEntry.objects.waiting().exists():
        with suppress(Snooze):  # a slice of the indexing is done
            index_outbox(shard=0, history=False)
    compact_search_indexes()
    indexed = sum(_sizes(INDEX).values())
    sizes["search index"] = indexed - sum(indexed_before.values())
    return {"orders": number, **{name: round(size / number) for name, size in sizes.items()}}


def _payment(order: dict[str, Any]) -> dict[str, Any]:
    number = order["event_id"]
    content = {"payment_id": f"P-{number}", "order_id": number, "amount": "54.00", "method": "cash"}
    return {**order, "type": "payment.completed", "event_id": f"P-{number}", "payload": content}


def _sizes(tables: Sequence[str]) -> dict[str, int]:
    return {
        table: rows("SELECT pg_total_relation_size(%s::regclass)", [table])[0][0]
        for table in tables
    }
