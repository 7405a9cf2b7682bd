"""django-tasks-db, the database backend of Django's Tasks, set up as its README says.

``enqueue`` is called in the transaction of the event row. Two ``db_worker`` processes run, and
results are kept (the default). It has no bulk enqueueing. On Django 5.2 the Tasks interface comes
from the backport django-tasks, which contained this backend itself before its version 0.12.
"""
