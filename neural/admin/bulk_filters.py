"""Filters of the list of bulk actions."""

from django.utils.translation import gettext_lazy as _

from neural.admin.filters import choice_filter
from neural.models import BulkActionState, BulkVerb

BulkStateFilter = choice_filter(_("state"), "state", BulkActionState)
BulkVerbFilter = choice_filter(_("action"), "verb", BulkVerb)
