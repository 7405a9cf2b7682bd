"""What people keep of runs: searches with a name, and what they changed before a retry."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class SavedView(models.Model):
    """A search of runs under a name; its owner may show it to everybody.

    It shows to each user only what that user may see.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        verbose_name=_("owner"),
        related_name="neural_saved_views",
    )
    name = models.CharField(_("name"), max_length=100)
    query = models.JSONField(_("filter"), default=dict)
    """Parameters of :class:`neural.runs.query.RunQuery`."""
    shared = models.BooleanField(_("shown to everybody"), default=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["owner", "name"], name="neural_saved_view_once"),
        )

    def __str__(self) -> str:
        return self.name


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
