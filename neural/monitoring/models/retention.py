"""Retention as a page of the admin, with permissions of its own. It has no rows."""

from django.utils.translation import gettext_lazy as _

from neural.monitoring.models.examination import Examination


class Retention(Examination):
    """A name for the page and its permissions; a proxy, so that it needs no table."""

    class Meta:
        proxy = True
        verbose_name = _("retention")
        verbose_name_plural = _("retention")
        default_permissions = ("view",)
        permissions = (("prune_rows", "Can delete old rows and count them"),)
