"""The project that deploys `neural`: settings, processes, embedded broker.

Celery's application is made with the settings (`settings.py`), not here: the supervisor of
`make up` needs neither.
"""
