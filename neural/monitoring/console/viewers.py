"""Who looks at a console page: which stores' figures they see, and which pages they may open."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import get_language

from neural.models import TaskRun
from neural.models.run import TaskRunQuerySet
from neural.models.store import visible_stores

LINKED = (
    "neural.taskrun",
    "neural.queuepause",
    "neural.workerprocess",
    "neural.store",
    "neural.refusedevent",
    "neural_monitoring.errorgroup",
    "neural_monitoring.alert",
    "neural.schedulepolicy",
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
        return {label: found for label in LINKED if (found := self._list_of(label))}

    def _list_of(self, label: str) -> str:
        try:
            model = apps.get_model(label)
        except LookupError:
            return ""
        if not self.site.is_registered(model):
            return ""
        if not self.site.get_model_admin(model).has_view_or_change_permission(self.request):
            return ""
        try:
            name = f"admin:{label.replace('.', '_')}_changelist"
            return reverse(name, current_app=self.site.name)
        except NoReverseMatch:
            return ""

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
