"""What an order needs on disk beside its events and runs: its read models, and its documents in the
search index."""

import os
from contextlib import suppress
from pathlib import Path
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


def measure_orders(runs: int) -> dict[str, Any]:
    """Submit, handle and index orders with a payment each; bytes that one of them then takes. A
    small ledger gets fewer."""
    number = min(MOST_ORDERS, runs // 20)
    before, indexed_before = _sizes(), _folder_size()
    made = list(orders(number))
    submit_all(made)
    submit_all(_payment(order) for order in made)
    drain(HIGH_PRIORITY_QUEUE)
    for table in READ_MODELS:
        execute(f"VACUUM (ANALYZE) {table}")
    sizes = {table: size - before[table] for table, size in _sizes().items()}
    while OutboxEntry.objects.waiting().exists():
        with suppress(Snooze):  # a slice of the indexing is done
            index_outbox(shard=0, history=False)
    compact_search_indexes()
    sizes["search index"] = _folder_size() - indexed_before
    return {"orders": number, **{name: round(size / number) for name, size in sizes.items()}}


def _payment(order: dict[str, Any]) -> dict[str, Any]:
    number = order["event_id"]
    content = {"payment_id": f"P-{number}", "order_id": number, "amount": "54.00", "method": "cash"}
    return {**order, "type": "payment.completed", "event_id": f"P-{number}", "payload": content}


def _sizes() -> dict[str, int]:
    return {
        table: rows("SELECT pg_total_relation_size(%s::regclass)", [table])[0][0]
        for table in READ_MODELS
    }


def _folder_size() -> int:
    """Bytes of the files of this measurement, in which the search index is."""
    files = Path(os.environ["ZHILIAN_VAR"]).rglob("*.lance/**/*")
    return sum(file.stat().st_size for file in files if file.is_file())
