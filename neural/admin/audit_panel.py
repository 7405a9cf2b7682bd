"""The panel *What people did* on the page of any row: the newest entries of the audit log about
it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from neural.admin.audit_search import entries_about
from neural.admin.audit_titles import title_of
from neural.admin.panels import Panel, register_panel
from neural.models import AuditEntry, TaskRun
from neural.sites import address_if_there

SHOWN = 10


def _panel(request: HttpRequest, row: Model) -> Mapping[str, Any] | None:
    """The entries; None for who may not see them, and if there are none. The page of a run has them
    in its course."""
    may_see = request.user.has_perm("neural.view_auditentry")
    if row.pk is None or isinstance(row, TaskRun) or not may_see:
        return None
    keys = entries_about(type(row), row.pk).values_list("entry_id", flat=True)[: SHOWN + 1]
    seen = AuditEntry.objects.for_user(request.user).filter(pk__in=list(keys)).order_by("-pk")
    found = [{"entry": each, "title": title_of(each.action)} for each in seen]
    if not found:
        return None
    return {"acts": found[:SHOWN], "all_address": _all(row) if len(found) > SHOWN else ""}


def _all(row: Model) -> str:
    """The address of the audit log, searched for the row; empty if the site has no such list."""
    address = address_if_there("neural_auditentry_changelist")
    asked = urlencode({"q": f"{row._meta.label_lower} {row.pk}"})
    return f"{address}?{asked}" if address else ""


register_panel(
    Panel(
        name="what-people-did",
        model=Model,
        title=_("What people did"),
        template="admin/neural/auditentry/panel.html",
        context=_panel,
    )
)
