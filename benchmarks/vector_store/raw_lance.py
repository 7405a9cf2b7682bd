"""The same questions as direct calls of LanceDB, on the same tables."""

import datetime as dt
from typing import Any

import lancedb
import numpy as np


class RawLance:
    """A table, queried without our code: it builds no filters and no matches, and does not sort."""

    def __init__(self, location: str, table: str) -> None:
        database = lancedb.connect(location, read_consistency_interval=dt.timedelta(0))
        self._table = database.open_table(table)

    def nearest(self, vector: np.ndarray, store: str | None, limit: int) -> Any:
        query = self._table.search(vector, vector_column_name="vector_whole")
        query = query.distance_type("cosine").nprobes(64 if store is None else 128)
        query = query.refine_factor(1)
        return self._answer(query, store, limit)

    def _answer(self, query: Any, store: str | None, limit: int) -> Any:
        if store is not None:
            query = query.where(f"store = '{store}'", prefilter=True)
        return query.select(["key", "_distance"]).limit(limit).to_arrow().to_pydict()
