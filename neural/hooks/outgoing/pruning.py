"""Deliveries are deleted by age, with `manage.py prune`."""

from django.utils.translation import gettext_lazy as _

from neural.hooks.conf import conf
from neural.hooks.models import Delivery
from neural.ledger.prune import Prunable

OLD_DELIVERIES = Prunable(
    name="webhook deliveries",
    label=_("webhook deliveries"),
    which="webhook deliveries that are older than the setting hook_deliveries_kept_days",
    model=Delivery,
    made_at="created_at",
    kept_days=lambda: conf().hook_deliveries_kept_days,
)
