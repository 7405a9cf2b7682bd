"""The same questions as direct statements, on the same tables."""

from typing import Any

import numpy as np
from django.db import connection, transaction

from neural.retrieval.stores.pgvector.store import rows_table


class RawPgVector:
    """A table, queried by the statement in pgvector's documentation."""

    def __init__(self, location: str, table: str) -> None:
        self._rows = rows_table(table)

    def nearest(self, vector: np.ndarray, store: str | None, limit: int) -> Any:
        near = f"vector_whole::halfvec({len(vector)}) <#> %s::vector::halfvec({len(vector)})"
        only = "" if store is None else f"WHERE store = '{store}'"
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL hnsw.ef_search = 100")
            cursor.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
            cursor.execute("SET LOCAL enable_seqscan = off")
            asked = f"[{','.join(map(str, vector.tolist()))}]"
            cursor.execute(
                f"SELECT key, {near} FROM {self._rows} {only} ORDER BY {near} LIMIT {limit:d}",
                [asked, asked],
            )
            return cursor.fetchall()
