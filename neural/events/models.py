"""Events: what stores reported. Each is recorded once, and its content never changes.

Of a refused event is kept what was submitted, why it was refused, and what a person did about it.
"""

import re
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store, StoreScopedQuerySet

_NUMBER = re.compile(r"(0*)([0-9]+)")
_KEYED_NUMBER = re.compile(r"(?s)(?:[^0-9](?=[0-9]{2}))?([0-9]+)")
_END = "\1"


def sort_key(event_id: str) -> str:
    """A text that sorts, by code points, as the ids do: numbers in them by their values, the rest
    as text. Before each number of several digits is a sign that grows with their count; leading
    zeros are counted at the end, so that 8 and 08 differ and nothing else is decided by them."""
    zeros = "".join(chr(48 + len(each)) for each, _ in _NUMBER.findall(event_id)).rstrip("0")
    signed = _NUMBER.sub(lambda n: chr(56 + len(n[2])) * (len(n[2]) > 1) + n[2], event_id)
    return signed + _END + zeros


def event_id_of(key: str) -> str:
    """The id of which this is the sort key."""
    text, _, zeros = key.rpartition(_END)
    counts = iter(zeros)
    return _KEYED_NUMBER.sub(lambda found: "0" * (ord(next(counts, "0")) - 48) + found[1], text)


class NeuralEventQuerySet(StoreScopedQuerySet):
    """Events, with a filter for unhandled ones."""

    def unhandled(self) -> "NeuralEventQuerySet":
        """Events of a type that had no handler when they were recorded."""
        return self.filter(unhandled=True)


class NeuralEvent(models.Model):
    """One event as its store reported it. Its content never changes; pruning drops the payload."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="events", db_index=False
    )
    source = models.CharField(_("source"), max_length=100)
    event_id = models.CharField(_("event id"), max_length=200)
    type = models.CharField(_("type"), max_length=100)
    payload = models.JSONField(_("payload"), null=True, encoder=DjangoJSONEncoder)
    content_hash = models.CharField(_("content hash"), max_length=32)
    unhandled = models.BooleanField(_("unhandled"), db_default=False, default=False)
    occurred_at = models.DateTimeField(_("occurred at"))
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())
    pruned_at = models.DateTimeField(_("pruned at"), null=True, blank=True)

    objects = NeuralEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = (
            # event_id leads, so that the same index answers a search by event id.
            models.UniqueConstraint("event_id", "store", "source", name="neural_event_identity"),
            models.CheckConstraint(
                condition=models.Q(payload__isnull=False) | models.Q(pruned_at__isnull=False),
                name="neural_event_payload_until_pruned",
            ),
        )
        indexes = (
            models.Index(fields=["store", "-id"], name="neural_event_by_store"),
            models.Index(fields=["type", "-id"], name="neural_event_by_type"),
            models.Index(
                fields=["-id"], condition=models.Q(unhandled=True), name="neural_event_unhandled"
            ),
        )
        permissions = (
            ("replay_neuralevent", "Can run an event's handlers again"),
            ("view_personal_data", "Can see personal data"),
            ("erase_personal_data", "Can erase a person's data"),
            ("export_rows", "Can export lists"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @property
    def version(self) -> tuple[Any, str]:
        """Sort key: of two events about one record, the event with the higher version is newer. Of
        one time, the id decides, in which digits count as numbers."""
        return (self.occurred_at, sort_key(self.event_id))


# Refused events


class EntryPoint(models.TextChoices):
    """The entry point by which an event was submitted."""

    PYTHON = "python", _("Python call")
    CELERY = "celery", _("Celery call")
    MESSAGE = "message", _("Celery message")
    COMMAND = "command", _("command")
    ADMIN = "admin", _("admin")
    HTTP = "http", _("HTTP request")
    WEBHOOK = "webhook", _("webhook")


class RefusalState(models.TextChoices):
    """Whether a person has corrected or dismissed a refused event."""

    OPEN = "open", _("open")
    CORRECTED = "corrected", _("corrected")
    DISMISSED = "dismissed", _("dismissed")


class RefusedEventQuerySet(StoreScopedQuerySet):
    """Refused events. Those that name no store, or an unknown one, are visible only to users who
    see every store."""

    store_field = "store_code"

    def open(self) -> "RefusedEventQuerySet":
        """Refused events that nobody has corrected or dismissed yet."""
        return self.filter(state=RefusalState.OPEN)


class RefusedEvent(models.Model):
    """A refused event, as it was submitted. If it is refused again, its row counts that.

    Every text is kept as it came, cut to its column's length. Characters that no database keeps
    (U+0000, halves of surrogate pairs) are written as escapes. ``store_code`` need not be the code
    of an existing store.
    """

    fingerprint = models.CharField(max_length=32, unique=True, editable=False)
    store_code = models.CharField(_("store"), max_length=100, blank=True, default="")
    source = models.CharField(_("source"), max_length=100, blank=True, default="")
    event_id = models.CharField(_("event id"), max_length=200, blank=True, default="")
    type = models.CharField(_("type"), max_length=100, blank=True, default="")
    payload = models.TextField(_("payload"), blank=True, default="")
    payload_cut = models.BooleanField(_("payload is cut"), default=False)
    details = models.JSONField(
        _("details"), default=dict, blank=True, encoder=DjangoJSONEncoder, editable=False
    )
    """The other arguments of the submission: ``occurred_at``, ``queue``, ``priority``,
    ``backfill``."""
    problems = models.JSONField(_("problems"), default=list, encoder=DjangoJSONEncoder)
    """A list of objects with ``field`` and ``reason``."""
    entry_point = models.CharField(
        _("entry point"), max_length=20, choices=EntryPoint.choices, db_column="door"
    )
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    times = models.PositiveBigIntegerField(_("times"), default=1)
    refused_at = models.DateTimeField(_("first refused at"), db_default=Now())
    last_refused_at = models.DateTimeField(_("last refused at"), db_default=Now())

    state = models.CharField(
        _("state"), max_length=10, choices=RefusalState.choices, default=RefusalState.OPEN
    )
    corrected_event = models.ForeignKey(
        NeuralEvent,
        models.SET_NULL,
        verbose_name=_("recorded as"),
        related_name="refusals",
        null=True,
        blank=True,
    )
    handled_by = models.CharField(_("handled by"), max_length=150, blank=True, default="")
    handled_at = models.DateTimeField(_("handled at"), null=True, blank=True)

    objects = RefusedEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("refused event")
        verbose_name_plural = _("refused events")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=RefusalState.values), name="neural_refusal_known_state"
            ),
        )
        indexes = (
            models.Index(fields=["event_id"], name="neural_refusal_event_id"),
            models.Index(fields=["source", "-id"], name="neural_refusal_source"),
            models.Index(fields=["store_code", "-id"], name="neural_refusal_by_store"),
            models.Index(fields=["type", "-id"], name="neural_refusal_by_type"),
            models.Index(fields=["entry_point", "-id"], name="neural_refusal_by_entry_point"),
            models.Index(
                fields=["-last_refused_at"],
                condition=models.Q(state=RefusalState.OPEN),
                name="neural_refusal_open",
            ),
            models.Index(fields=["state", "-id"], name="neural_refusal_by_state"),
        )
        permissions = (
            ("correct_refusedevent", "Can correct a refused event and submit it"),
            ("dismiss_refusedevent", "Can dismiss a refused event"),
        )

    def __str__(self) -> str:
        return f"{self.type or '?'} {self.event_id or '?'}"

    def dismiss(self, *, by: str) -> bool:
        """Decide that nothing is to be done about it. Returns whether it was open."""
        return self._move(RefusalState.OPEN, RefusalState.DISMISSED, by=by)

    def reopen(self) -> bool:
        """Undo a dismissal. Returns whether it was dismissed."""
        return self._move(RefusalState.DISMISSED, RefusalState.OPEN, by="")

    def mark_corrected(self, event: NeuralEvent, *, by: str) -> bool:
        """Record that this event was submitted in its place. Returns whether it was open."""
        return self._move(RefusalState.OPEN, RefusalState.CORRECTED, by=by, corrected_event=event)

    def _move(self, old: RefusalState, new: RefusalState, *, by: str, **changes: Any) -> bool:
        handled_at = None if new == RefusalState.OPEN else Now()
        mine = type(self).objects.filter(pk=self.pk, state=old)
        return bool(mine.update(state=new, handled_by=by, handled_at=handled_at, **changes))
