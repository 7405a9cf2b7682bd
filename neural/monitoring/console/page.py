"""The frame of the console's pages: their context and tabs, who looks, and parts that may fail."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.cache import cache
from django.db import connection, transaction
from django.forms import Media
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from neural.admin.panels import HTMX
from neural.admin.tabs import list_of, register_tab
from neural.models import TaskRun
from neural.models.store import visible_stores
from neural.runs.models.run import TaskRunQuerySet

logger = logging.getLogger(__name__)

CONSOLE = Media(css={"all": ("neural/admin.css", "neural/console.css")}, js=("neural/console.js",))
LINKED = (
    "neural.taskrun",
    "neural.queuepause",
    "neural.workerprocess",
    "neural.store",
    "neural.refusedevent",
    "neural_monitoring.errorgroup",
    "neural_monitoring.alert",
    "neural.schedulepolicy",
    "neural.batch",
    "django_celery_beat.periodictask",
)
"""Models whose lists the home links to."""
ACKNOWLEDGE = "neural_monitoring.acknowledge_alert"
DECIDING = (
    ACKNOWLEDGE,
    "neural_monitoring.view_alert",
    "neural.view_taskrun",
    "neural.retry_taskrun",
    "neural.discard_taskrun",
    "neural_monitoring.decide_errorgroup",
    "django_celery_beat.view_periodictask",
    "django_celery_beat.change_periodictask",
)
"""Permissions on which depends what the home shows, besides those of the lists."""


def page_context(
    model_admin: ModelAdmin, request: HttpRequest, *, title: Any, **more: Any
) -> dict[str, Any]:
    """The context of a console page: Django's own, style sheets and scripts.

    The page's template extends ``neural/monitoring/console.html`` and fills the block ``content``.
    A part that refreshes by itself is an element with an id and ``hx-get="…" hx-trigger="console"
    hx-swap="outerHTML" data-every="10"``; its view answers htmx with that element alone.
    """
    site = model_admin.admin_site
    return {
        **site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "media": model_admin.media + CONSOLE + HTMX,
        **more,
    }


@dataclass(frozen=True)
class Part:
    """What a part shows; ``failed`` if that could not be read."""

    content: Any = None
    failed: bool = False


def part(name: str, read: Callable[[], Any]) -> Part:
    """Read a part. An error is logged, and the page says that the part is not available."""
    try:
        if not connection.in_atomic_block:
            return Part(read())
        with transaction.atomic():  # on PostgreSQL an error would end the caller's transaction
            return Part(read())
    except Exception as error:
        logger.warning("event=part_failed part=%s error=%r", name, str(error), exc_info=True)
        return Part(failed=True)


def remembered(key: str, make: Callable[[], Any], *, seconds: float) -> Any:
    """What ``make`` returned within so many seconds for this key. It must be JSON."""
    key = f"neural.console.{key}"
    try:
        found = cache.get(key)
    except Exception as error:  # noqa: BLE001 (each backend raises its own)
        logger.warning("event=cache_unavailable error=%r", str(error))
        return make()
    if found is None:
        found = make()
        try:
            cache.set(key, found, timeout=seconds)
        except Exception as error:  # noqa: BLE001 (as above)
            logger.warning("event=cache_unavailable error=%r", str(error))
    return found


def visible_runs(user: Any) -> TaskRunQuerySet:
    """The runs that this user may see."""
    runs = TaskRun.objects.all() if user.has_perm("neural.view_taskrun") else TaskRun.objects.none()
    return runs.for_user(user)


@dataclass(frozen=True)
class Viewer:
    """A user on an admin site."""

    request: HttpRequest
    site: AdminSite

    @property
    def user(self) -> Any:
        return self.request.user

    @cached_property
    def stores(self) -> Collection[str] | None:
        """The codes of the stores whose figures the user sees; None: of everything."""
        return visible_stores(self.user)

    @cached_property
    def lists(self) -> dict[str, str]:
        """The addresses of the lists that the user may open, by model."""
        found = {label: list_of(label, self.request, self.site) for label in LINKED}
        return {label: address for label, address in found.items() if address}

    def may_open(self, page: str) -> bool:
        """Whether the user may open a list, by the name of its address
        (``neural_taskrun_changelist``)."""
        return any(
            page == f"{model._meta.app_label}_{model._meta.model_name}_changelist"
            and model_admin.has_view_or_change_permission(self.request)
            for model, model_admin in self.site._registry.items()
        )

    @cached_property
    def scope(self) -> str:
        """A text that is equal for viewers who see the same stores: for caches."""
        if self.stores is None:
            return "all"
        # No code contains a slash.
        return sha256("/".join(self.stores).encode()).hexdigest()[:32]

    def key(self, *more: str) -> str:
        """A text that is equal for viewers who see the same page: for caches."""
        zone = timezone.get_current_timezone_name()
        seen = [self.site.name, str(get_language()), zone, self.scope]
        seen += [*self.lists, *(str(self.user.has_perm(each)) for each in DECIDING), *more]
        return sha256("\n".join(seen).encode()).hexdigest()[:32]


HOME = ("console_home", "neural_monitoring_examination_changelist")
register_tab("now", "neural_monitoring.examination", place=10, label=_("Home"), pages=HOME)
register_tab("now", "neural_monitoring.alert", place=20)
register_tab("now", "neural_monitoring.alertrule", place=30)
register_tab("now", "neural_monitoring.alertchannel", place=40, also=("neural_monitoring",))
register_tab("work", "neural_monitoring.errorgroup", place=20)
register_tab("work", "neural.queuepause", place=50)
register_tab("work", "neural.schedulepolicy", place=60, also=("django_celery_beat",))
register_tab("chain", "neural_monitoring.retention", place=60)
