"""Figures about runs and events: what pages, alerts and metrics read instead of the ledger.

The transaction that settles runs also inserts one :class:`Tally`. Relays add tallies up into the
other tables and delete them in one transaction, so that nothing is counted twice or left out,
whatever is killed. What else is counted is read from the ledger by primary key (:class:`ReadMark`).
"""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Tally(models.Model):
    """What one transaction has settled, not yet added up."""

    settled_at = models.DateTimeField(db_default=Now())
    figures = models.TextField()
    """JSON, see :mod:`neural.monitoring.rollups.tallying`. Not a JSON column: no query looks into
    it, and text costs the transaction least."""

    def __str__(self) -> str:
        return f"tally {self.pk}"


class ReadMark(models.Model):
    """Up to which primary key the rows of a table have been read, in the order of their keys.

    On PostgreSQL a row with a smaller key may commit later, so keys become readable with a delay;
    see :mod:`neural.monitoring.rollups.marks`.
    """

    name = models.CharField(max_length=50, primary_key=True)
    last_id = models.BigIntegerField(default=0)
    candidate_id = models.BigIntegerField(default=0)
    """The keys up to here are read next."""
    candidate_at = models.DateTimeField(null=True)
    """When the candidate was chosen: rows that had committed before have no greater key."""
    writers = models.JSONField(default=list)
    """The transactions that were writing to the table when the candidate was chosen, and have not
    been seen to end. The keys up to the candidate are read after them."""
    read_at = models.DateTimeField(null=True)
    """Every row that had committed by this time has been read."""

    def __str__(self) -> str:
        return f"{self.name}: {self.last_id}"


class FiguresBase(models.Model):
    """Counts of runs and attempts of one queue and work.

    ``wait`` and ``duration`` are histograms: 32 counts, see
    :mod:`neural.monitoring.rollups.histograms`.
    """

    queue = models.CharField(_("queue"), max_length=100)
    work = models.CharField(_("work"), max_length=255)
    submitted = models.BigIntegerField(_("submitted"), default=0)
    succeeded = models.BigIntegerField(_("succeeded"), default=0)
    failed = models.BigIntegerField(_("failed attempts"), default=0)
    lost = models.BigIntegerField(_("lost deliveries"), default=0)
    dead = models.BigIntegerField(_("dead"), default=0)
    wait = models.JSONField(_("wait"), default=list)
    duration = models.JSONField(_("duration"), default=list)

    class Meta:
        abstract = True


class MinuteFigures(FiguresBase):
    """Figures of a minute, of all stores together."""

    minute = models.DateTimeField(_("minute"))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["minute", "queue", "work"], name="neural_minute_figures_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M} {self.queue} {self.work}"


EVERY_STORE = "/"
"""In place of a store's code, which cannot contain it: of all stores together."""


class HourFigures(FiguresBase):
    """Figures of an hour, by store. Runs without a store have the empty code.

    A row with the code :data:`EVERY_STORE` is the sum over all stores: pages about the whole chain
    would read a row of each store otherwise.
    """

    hour = models.DateTimeField(_("hour"))
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["hour", "queue", "work", "store_code"], name="neural_hour_figures_once"
            ),
        )
        indexes = (models.Index(fields=["store_code", "hour"], name="neural_hour_figures_store"),)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.queue} {self.work} {self.store_code}"


class EventFigures(models.Model):
    """How many events of a type a store has sent in an hour, by the time of their receipt."""

    hour = models.DateTimeField(_("hour"))
    store_code = models.CharField(_("store"), max_length=64)
    event_type = models.CharField(_("event type"), max_length=100)
    events = models.BigIntegerField(_("events"), default=0)
    last_at = models.DateTimeField(_("last received"))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["hour", "store_code", "event_type"], name="neural_event_figures_once"
            ),
        )
        indexes = (models.Index(fields=["store_code", "-hour"], name="neural_event_figures_store"),)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.store_code} {self.event_type}"


class TotalFigures(FiguresBase):
    """Figures since the first run: counters for Prometheus, which must never fall."""

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["queue", "work"], name="neural_total_figures_once"),
        )

    def __str__(self) -> str:
        return f"{self.queue} {self.work}"


class TotalEvents(models.Model):
    """Events since the first one, by type."""

    event_type = models.CharField(max_length=100, primary_key=True)
    events = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.event_type
