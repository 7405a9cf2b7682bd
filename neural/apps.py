"""The Django application config of `neural`."""

from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class NeuralConfig(AppConfig):
    """The app config. It connects the ledger to the broker, to Celery and to Django's tasks."""

    name = "neural"
    label = "neural"
    verbose_name = _("Neural")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Load every app's event types and handlers, and connect to Celery's workers."""
        import neural.celeryapp.checks
        import neural.health.system_checks  # noqa: F401  (both register system checks)
        from neural import (
            djangotasks,
            tasks,  # noqa: F401  (the relay needs them, also in processes that are no workers)
            worker,
        )
        from neural.batches import ending, leading, pruning
        from neural.batches import ports as batches
        from neural.broker import message, patches, publisher
        from neural.celeryapp import batches as batches_of_celery
        from neural.celeryapp import callbacks, chords, frozen, task
        from neural.events.changes import REFUSED_EVENTS
        from neural.ledger import dialects, ports, work
        from neural.ledger.prune import register_prunable
        from neural.personal.erasing import erasure
        from neural.runs import batches as batches_of_runs
        from neural.runs import bulk
        from neural.worker import relay

        ports.connect(
            announcing=publisher.announce,
            having_queue=message.is_queue,
        )
        ports.when_ended("callbacks", callbacks.follow)
        ports.when_ended("batches", ending.note)
        ports.when_ended("what never starts", callbacks.fail_unstarted)
        batches.connect(
            starting_what_follows=batches_of_celery.follow,
            having_members_of=batches_of_celery.members_of,
            reporting_from_results=chords.report_from_results,
        )
        relay.register_duty("batches", leading.ask_all)
        work.connect(title_of_task=task.title_of_task)
        connection_created.connect(dialects.prepare, dispatch_uid="neural.dialects")
        patches.survive_a_lost_broker()
        frozen.connect()
        worker.connect()
        bulk.connect()
        batches_of_runs.connect()
        register_prunable(REFUSED_EVENTS, pruning.BATCHES, pruning.REPORTS)
        erasure.connect()
        djangotasks.connect()
        _set_beats_zone()
        autodiscover_modules("neural_handlers")


def _set_beats_zone() -> None:
    """Set Celery's time zone in Django's settings if the project does not set it.

    Celery itself falls back to Django's ``TIME_ZONE``. The form of django-celery-beat reads only
    Django's settings and would propose UTC.
    """
    namespace = getattr(current_app, "namespace", None) or "CELERY"
    name = f"{namespace}_TIMEZONE"
    if not hasattr(settings, name):
        setattr(settings, name, settings.TIME_ZONE)
