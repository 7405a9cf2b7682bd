"""django-tasks-db, the database backend of Django's Tasks, as its README sets it up.

``enqueue`` in the transaction of the event row, two ``db_worker`` processes, results kept (the
default). It has no enqueueing in bulk. On Django 5.2 the Tasks interface comes from
django-tasks, the backport; before its 0.12 that package held this backend itself.
"""
