"""What the acts in the audit log are called: a title for each code, in the reader's language."""

from collections.abc import Iterable
from functools import cache, partial
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from neural.audit import NOUNS, action_of
from neural.models import BulkAction, BulkVerb

FORMS = {
    "add": pgettext_lazy("act", "Add"),
    "change": pgettext_lazy("act", "Change"),
    "delete": pgettext_lazy("act", "Delete"),
}
"""What is done in the admin's own forms."""

_titles: dict[str, Any] = {}


def register_action_title(code: str, title: Any) -> None:
    """Name the acts of a code like ``run.retry``; ``title`` may be translated lazily. The first
    title stays.

    Verbs (:class:`neural.admin.actions.Verb`) and what the admin's forms do are named by
    themselves.
    """
    _titles.setdefault(code, title)


def register_titles_of_rows(model: type[Model], acts: Iterable[tuple[str, Any]]) -> None:
    """Name what is done to a model's rows; each act is a name and a label."""
    for name, label in acts:
        register_action_title(action_of(model, name), _of_rows(model, label))


def title_of(code: str) -> str:
    """The title of an act; the code itself if no installed app names it."""
    if code in _titles:
        return str(_titles[code])
    noun, _point, act = code.rpartition(".")
    model = models_by_noun().get(noun)
    return _title(model, FORMS[act]) if model and act in FORMS else code


def kind_of(label: str) -> str:
    """What one row of a model is called; the model's label if its app is not installed."""
    try:
        return str(apps.get_model(label)._meta.verbose_name)
    except (LookupError, ValueError):
        return label


@cache
def models_by_noun() -> dict[str, type[Model]]:
    """The models by what their rows are called in codes; the project's own outrank others."""
    found: dict[str, type[Model]] = {}
    for model in sorted(apps.get_models(), key=lambda each: each._meta.app_label[:6] != "neural"):
        found.setdefault(NOUNS.get(model._meta.label_lower, str(model._meta.model_name)), model)
    return found


def _title(model: type[Model], label: Any) -> str:
    return _of_kind(model._meta.verbose_name, label)


def _of_kind(kind: Any, label: Any) -> str:
    names = {"kind": capfirst(str(kind)), "act": label}
    return pgettext("act on rows", "%(kind)s: %(act)s") % names


_of_rows: Any = lazy(_title, str)
_of_many_runs: Any = lazy(partial(_of_kind, BulkAction._meta.verbose_name), str)

for _code, _name in {
    **{f"runs.bulk.{verb}": _of_many_runs(verb.label) for verb in BulkVerb},
    "run.edit": _("Run: Edit and retry"),
    "saved_view.save": _("Saved view: Save"),
    "saved_view.change": _("Saved view: Change"),
    "saved_view.delete": _("Saved view: Delete"),
    "group.update": _("Group: Bring up to date"),
    "person.erase": _("Person: Erase"),
    "export": _("Export a list"),
    "retention.count": _("Retention: Count now"),
    "retention.delete": _("Retention: Delete now"),
    "event.submit": _("Event: Submit"),
    "credentials.reencrypt": _("Credentials: Encrypt anew"),
    "database.copy": _("Database: Copy from SQLite"),
    "event.retry": _("Event: Retry"),
    "refused_event.correct": _("Refused event: Correct and submit"),
    "queue.pause": _("Queue: Pause"),
    "queue.resume": _("Queue: Resume"),
    "schedule.run": _("Schedule: Run now"),
}.items():
    register_action_title(_code, _name)
