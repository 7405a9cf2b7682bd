"""django-celery-results' pages of plain tasks: permissions, refused NULs, masked personal data, and
times as everywhere else.

Results concern the whole chain, as plain tasks belong to no store. Django's own permissions and
entries cover what their forms and actions do.
"""

from typing import Any

from django_celery_results.admin import GroupResultAdmin, TaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult

from neural.admin.audit.recording import audited
from neural.admin.display import instant_column
from neural.admin.guards import refuses_nul
from neural.admin.pages import stays_on_its_site
from neural.admin.scope import changed_for_the_whole_chain


def guard() -> None:
    """Put this into django-celery-results' classes, so that it holds on every site."""
    models: tuple[tuple[Any, Any], ...] = (
        (TaskResultAdmin, TaskResult),
        (GroupResultAdmin, GroupResult),
    )
    for model_admin, model in models:
        refuses_nul(model_admin)
        stays_on_its_site(model_admin)
        changed_for_the_whole_chain(model_admin)
        audited(model_admin)
        done = instant_column(model, "date_done")
        model_admin.list_display = tuple(
            done if each == "date_done" else each for each in model_admin.list_display
        )


guard()
