"""Schedules: what is due when, and how it went. Imports no Django and no Celery by itself.

The rows are django-celery-beat's, and people edit them. ``due_times`` computes their times,
``entries`` takes one as its policy says, ``runs`` finds a schedule's runs and asks for one by hand,
``switches`` knows who switched one off, and ``shipped`` creates those that come with an app.
``state`` has all that pages, rules of alerts and ``doctor`` say of a schedule.
"""

BEAT = "django_celery_beat"
"""The app whose rows schedules are; a project may do without it."""
