"""Worker processes: their heartbeats, and what each states about itself (memory and versions)."""

import datetime as dt
import platform
import resource
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

DISTRIBUTION = "zhilian-neural"
PROCESSES = Path("/proc")
MICROSECOND = dt.timedelta(microseconds=1)


def memory_bytes(pids: Collection[int]) -> int | None:
    """The memory of these processes together, in bytes; None where ``/proc`` does not tell it.

    A page that several processes share, as a pool does with the process that forked it, counts once
    (the proportional set size). A process that has ended meanwhile counts nothing.
    """
    sizes = [size for pid in pids if (size := _size(PROCESSES / str(pid))) is not None]
    return sum(sizes) if sizes else None


def _size(process: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = (process / "smaps_rollup").read_text().splitlines()
        (line,) = [each for each in lines if each.startswith("Pss:")]
        return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, IndexError):  # an old kernel, or the process of another user
        pages = int((process / "statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return None


@cache
def versions() -> Mapping[str, str]:
    """The versions that this process runs: of ``neural``, ``python``, ``django`` and ``celery``."""
    found = {"neural": _of_neural(), "python": platform.python_version()}
    for name in ("django", "celery"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {name: text for name, text in found.items() if text}


def _of_neural() -> str:
    """As installed, else as the checkout says; empty if neither is known."""
    with suppress(PackageNotFoundError):
        return version(DISTRIBUTION)
    checkout = Path(__file__).parents[2] / "pyproject.toml"
    with suppress(OSError, ValueError, KeyError):
        project = tomllib.loads(checkout.read_text())["project"]
        return str(project["version"]) if project["name"] == DISTRIBUTION else ""
    return ""


# Rows


class ProcessKind(models.TextChoices):
    """What a process does."""

    WORKER = "worker", _("worker")
    RELAY = "relay", _("relay")
    BEAT = "beat", _("beat")


class WorkerProcessQuerySet(models.QuerySet):
    """Workers, with filters by their heartbeats."""

    def present(self) -> "WorkerProcessQuerySet":
        """Workers that have neither stopped nor been marked lost."""
        return self.filter(stopped_at=None, lost_at=None)

    def publishing(self) -> "WorkerProcessQuerySet":
        """Workers and stand-alone relays: beat, the third kind, neither publishes nor runs."""
        return self.exclude(kind=ProcessKind.BEAT)

    def beats(self) -> "WorkerProcessQuerySet":
        """Beats, which record what is due by schedule."""
        return self.filter(kind=ProcessKind.BEAT)

    def last_heard(self) -> dt.datetime | None:
        """When the last heartbeat of any was, also of one that has ended; None if there is none."""
        heard: dt.datetime | None = self.aggregate(at=models.Max("heartbeat_at"))["at"]
        return heard

    def silent(self, seconds: float) -> "WorkerProcessQuerySet":
        """Present workers whose last heartbeat is older than so many seconds, by the database's
        clock."""
        return self.present().filter(heartbeat_at__lt=Now() - dt.timedelta(seconds=seconds))

    def alive(self, seconds: float) -> "WorkerProcessQuerySet":
        """Present workers that sent a heartbeat within the last so many seconds."""
        return self.present().filter(heartbeat_at__gte=Now() - dt.timedelta(seconds=seconds))


class WorkerProcess(models.Model):
    """One Celery worker (the parent process of its pool), stand-alone relay or beat, from its start
    to its end."""

    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=ProcessKind.choices,
        default=ProcessKind.WORKER,
        db_default=ProcessKind.WORKER,
    )
    name = models.CharField(_("name"), max_length=255)
    host = models.CharField(_("host"), max_length=255)
    process_id = models.PositiveIntegerField(_("process id"))
    queues = models.JSONField(_("queues"), default=list)
    concurrency = models.PositiveIntegerField(_("concurrency"), default=1)
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("heartbeat"), db_default=Now())
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)
    lost_at = models.DateTimeField(_("lost at"), null=True, blank=True)
    # Both are NULL in the row of a worker of an older version.
    clock_ahead = models.DurationField(_("clock ahead of the database's"), null=True, blank=True)
    registered = models.JSONField(_("registered"), null=True, blank=True)
    versions = models.JSONField(_("versions"), null=True, blank=True)
    """Versions by name: neural, python, django, celery."""
    memory_bytes = models.BigIntegerField(_("memory"), null=True, blank=True)
    """Resident memory of the process and its pool at the last heartbeat."""
    stop_asked_at = models.DateTimeField(_("asked to stop"), null=True, blank=True)
    stop_asked_by = models.CharField(
        _("asked to stop by"), max_length=150, blank=True, default="", db_default=""
    )

    recovered_runs = models.PositiveIntegerField(
        _("recovered runs"), default=0, db_default=0, editable=False
    )
    """How many of its runs were taken from it because it, or their process, was gone."""

    objects = WorkerProcessQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        indexes = (
            models.Index(
                fields=["heartbeat_at"],
                condition=models.Q(stopped_at=None, lost_at=None),
                name="neural_worker_present",
            ),
        )
        permissions = (("stop_workerprocess", "Can ask workers to stop"),)

    def __str__(self) -> str:
        return self.name

    def beat(self, **facts: Any) -> bool:
        """Record a heartbeat, with ``memory_bytes`` if it is given. A worker that had been marked
        lost is present again. Returns whether the row still exists."""
        me = type(self).objects.filter(pk=self.pk)
        return bool(me.update(heartbeat_at=Now(), lost_at=None, clock_ahead=_ClockAhead(), **facts))

    def ask_to_stop(self, *, by: str) -> bool:
        """Ask this process to stop softly, as SIGTERM does. It sees that at its next heartbeat.
        Returns whether it is present and was not asked before."""
        me = type(self).objects.present().filter(pk=self.pk, stop_asked_at=None)
        asked = me.exclude(kind=ProcessKind.BEAT).update(stop_asked_at=Now(), stop_asked_by=by)
        return bool(asked)

    def is_asked_to_stop(self) -> bool:
        """Whether a person has asked this process to stop."""
        return type(self).objects.filter(pk=self.pk, stop_asked_at__isnull=False).exists()

    def stop(self) -> None:
        """Record that this worker has stopped."""
        type(self).objects.filter(pk=self.pk, stopped_at=None).update(stopped_at=Now())

    def give_up(self) -> bool:
        """Mark this worker lost unless it sent a heartbeat after this row was read. Returns whether
        it was marked."""
        # SQLite keeps milliseconds and compares text, so equal moments may be different texts.
        span = (self.heartbeat_at - MICROSECOND, self.heartbeat_at + MICROSECOND)
        unheard = type(self).objects.present().filter(pk=self.pk, heartbeat_at__range=span)
        return bool(unheard.update(lost_at=Now()))


class _ClockAhead(models.ExpressionWrapper):
    """How far this host's clock is ahead of the database's. NULL on SQLite, which uses the host's
    clock."""

    def __init__(self) -> None:
        host = models.Value(timezone.now(), models.DateTimeField())
        super().__init__(host - Now(), models.DurationField())

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return "NULL", []
