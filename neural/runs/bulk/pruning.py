"""The outcomes of old bulk actions are deleted, run by run, with `manage.py prune`. The actions
stay."""

from django.utils.translation import gettext_lazy as _

from neural.conf import conf
from neural.ledger.prune import Prunable
from neural.models import BulkActionItem

OUTCOMES = Prunable(
    name="outcomes of bulk actions",
    which="what became of each run of bulk actions more than bulk_outcomes_kept_days ago",
    model=BulkActionItem,
    made_at="at",
    kept_days=lambda: conf().bulk_outcomes_kept_days,
    label=_("outcomes of bulk actions"),
)
