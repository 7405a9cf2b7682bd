"""Keeping the search indexes up to date: indexing, rebuilding and compaction.

``scheduling.index_outbox`` works off what changed, ``rebuilding.rebuild`` makes an index anew, and
``writing.write`` is the way of every record into an index. The relay, the Celery tasks and the
commands use them; ``query`` asks ``active.active_index`` which index to search.
"""
