"""Keeping the search indexes up to date: indexing, rebuilding and compaction.

``scheduling.index_outbox`` works off what changed, ``rebuilding.rebuild`` makes an index anew, and
``writing.write`` puts documents into the tables of the vector store. The relay, the Celery tasks
and the commands use them; ``query`` asks ``active.active_index`` which table to search.
"""
