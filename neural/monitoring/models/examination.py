"""The last examination: what the probes of doctor have found, as one row."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _


class Examination(models.Model):
    """The findings of the last examination by a relay. There is one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    began_at = models.DateTimeField(_("began"), null=True, blank=True)
    """When a relay last began one; it takes this as its lease."""
    ended_at = models.DateTimeField(_("examined"), null=True, blank=True)
    findings = models.JSONField(_("findings"), default=dict, encoder=DjangoJSONEncoder)
    """Lists of findings by language."""
    facts = models.JSONField(_("facts"), default=dict, encoder=DjangoJSONEncoder)
    """Queues, workers, broker: what pages show besides the figures."""

    class Meta:
        verbose_name = _("overview")
        verbose_name_plural = _("overview")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.ended_at or "")


class Retention(Examination):
    """A name for the page and its permissions; a proxy, so that it needs no table."""

    class Meta:
        proxy = True
        verbose_name = _("retention")
        verbose_name_plural = _("retention")
        default_permissions = ("view",)
        permissions = (("prune_rows", "Can delete old rows and count them"),)
