"""Saved views: searches of runs that people have given a name."""

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
