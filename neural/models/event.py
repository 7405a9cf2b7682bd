"""Events: what stores reported. Each is recorded once, and its content never changes."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store, StoreScopedQuerySet


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
        """Sort key: of two events about one record, the event with the higher version is newer."""
        return (self.occurred_at, self.event_id)
