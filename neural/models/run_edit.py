"""Edits: what a person changed in a run's arguments before it was retried."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class RunEdit(models.Model):
    """One 'edit and retry'. The original stays as it was sent.

    A task's run keeps its row and gets new arguments; ``before`` has the original ones. For an
    event's run, an event with the corrected payload is submitted, and ``new_event_id`` and
    ``new_run_id`` say what became of it; the original run is discarded. No constraints: an edit
    outlives what is pruned.
    """

    run_id = models.BigIntegerField(db_index=True)
    new_event_id = models.BigIntegerField(null=True, blank=True)
    new_run_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    before = models.JSONField(_("before"))
    after = models.JSONField(_("after"))
    reason = models.CharField(_("reason"), max_length=500)
    edited_by = models.CharField(_("edited by"), max_length=150)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    at = models.DateTimeField(_("at"), db_default=Now())
    token = models.CharField(max_length=64, unique=True)
    """Of the form: one that is sent twice edits once."""

    class Meta:
        verbose_name = _("edited run")
        verbose_name_plural = _("edited runs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"run {self.run_id}"
