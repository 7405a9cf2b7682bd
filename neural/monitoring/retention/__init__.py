"""Retention: deletes what is finished and old every night, and counts it for people beforehand.

:func:`~neural.monitoring.retention.runs.ask` records a run of it,
:func:`~neural.monitoring.retention.runs.prune_slice` does a slice, and
:data:`~neural.monitoring.retention.runs.PRUNE_SCHEDULE` is the nightly schedule. The page
*Retention* and the task of pruning use it.
"""
