"""Celery's API on top of the ledger; not named `celery`, which would shadow the library.

``app.LedgerCelery`` is the application of a project, ``task.LedgerTask`` the base of tasks whose
runs are rows, and ``beat.LedgerScheduler`` records what schedules ask for. Projects use these by
their public names in ``neural``; inside, the admin, the console and the apps' tasks do.
"""
