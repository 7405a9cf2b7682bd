"""Names of the tasks of search."""

INDEX_TASK = "neural.tasks.index_marked"
SUPPLY_TASK = "neural.tasks.index_to_vector_db"
ORDERS_TASK = "neural.tasks.batch_index_orders"
REBUILD_TASK = "neural.tasks.rebuild_search_index"
TEND_TASK = "neural.tasks.tend_search_indexes"
