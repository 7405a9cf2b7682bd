"""The page *Retention*: how long rows are kept, what was deleted, and what would be deleted now."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext, pgettext
from django.views.decorators.http import require_POST

from neural.admin.display import badge, instant, link, named_work
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import ReadOnlyAdmin
from neural.events.changes import PAYLOADS
from neural.kit.conf import conf
from neural.ledger import prune as rules
from neural.ledger.clock import database_clock
from neural.ledger.prune import PRUNABLES
from neural.models import RunState, TaskRun
from neural.models.store import sees_every_store
from neural.monitoring.console.page import page_context
from neural.monitoring.models import Retention
from neural.monitoring.retention.runs import WORKERS, ask, newest, why_idle

PERMISSION = "neural_monitoring.prune_rows"
ADDRESS = "neural_monitoring_retention_changelist"
COUNTED = gettext_noop("runs: one that counts old rows (count now)")
PRUNED = gettext_noop("runs: one that deletes old rows (delete now)")


@dataclass(frozen=True)
class Rule:
    """How long rows of one kind are kept."""

    what: Any
    period: str


@dataclass(frozen=True)
class Pruning:
    """A run of the pruning, as the page shows it."""

    run: TaskRun

    @property
    def link(self) -> Any:
        return link(self.run, instant(self.run.finished_at or self.run.created_at))

    @property
    def state(self) -> Any:
        return badge(self.run.state, self.run.get_state_display())

    @property
    def rows(self) -> Sequence[tuple[str, str]]:
        """What it deleted or counted (while it works: so far)."""
        result = self.run.result if isinstance(self.run.result, dict) else {}
        found = result.get("rows")
        return [(named(kind), f"{number:,}") for kind, number in found.items()] if found else []

    @property
    def is_done(self) -> bool:
        return self.run.state == RunState.SUCCEEDED


@page(Retention)
class RetentionAdmin(ReadOnlyAdmin):
    """One page in place of a list. Rows of all stores are counted here."""

    whole_chain = ("view",)

    def has_prune_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION) and sees_every_store(request.user)

    def get_urls(self) -> list[URLPattern]:
        """The page, its two buttons, and no page of a row."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name=ADDRESS),
            path("count/", view(self.count_view), name="neural_monitoring_retention_count"),
            path("delete/", view(self.delete_now_view), name="neural_monitoring_retention_delete"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = page_context(
            self,
            request,
            title=_("Retention"),
            rules=list(_rules()),
            idle=why_idle(database_clock()),
            deleted=[Pruning(run) for run in newest(dry_run=False)[:5]],
            counted=[Pruning(run) for run in newest(dry_run=True)[:1]],
            may_prune=self.has_prune_permission(request),
        )
        return TemplateResponse(
            request, "neural/monitoring/retention.html", context | (extra_context or {})
        )

    @method_decorator(require_POST)
    def count_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a run that counts what would be deleted now."""
        return self._ask(request, dry_run=True, change=COUNTED, action="retention.count")

    @method_decorator(require_POST)
    def delete_now_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a run that deletes it."""
        return self._ask(request, dry_run=False, change=PRUNED, action="retention.delete")

    def _ask(
        self, request: HttpRequest, *, dry_run: bool, change: str, action: str
    ) -> HttpResponse:
        if not self.has_prune_permission(request):
            raise PermissionDenied
        with transaction.atomic():
            run = ask(dry_run=dry_run, by=request.user.get_username())
            log_changes(user=request.user, rows=[run], change=change, action=action)
        text = format_html(_("A run was asked for; its result says how many rows: {}"), link(run))
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect("../")


def named(kind: str) -> str:
    """The name of what is deleted, in the reader's language."""
    if kind in RunState:
        state = RunState(kind).label
        return _("runs: %(state)s") % {"state": state}
    names = {
        PAYLOADS: _("payloads of events (the events stay)"),
        WORKERS: _("workers that no run names"),
    }
    registered = PRUNABLES.find(kind)
    return names.get(kind) or str((registered and registered.label) or kind)


def _rules() -> Iterator[Rule]:
    keep = rules.Retention.of_settings()
    for state, days in keep.states.items():
        yield Rule(named(state), _period(days))
    for work, by_state in sorted(keep.works.items()):
        for state, days in by_state.items():
            yield Rule(format_html("{} ({})", named(state), named_work(work)), _period(days))
    yield Rule(named(PAYLOADS), _period(conf().payloads_kept_days))
    for each in PRUNABLES:
        yield Rule(named(each.name), _period(each.kept_days()))


def _period(days: float | None) -> str:
    if days is None:
        return pgettext("how long rows are kept", "for ever")
    if days < 1:
        hours = dt.timedelta(days=days) // dt.timedelta(hours=1)
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    count = f"{days:,g}"
    return ngettext("%(count)s day", "%(count)s days", int(days)) % {"count": count}
