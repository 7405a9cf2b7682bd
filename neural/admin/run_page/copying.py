"""'Copy as command': what to type in a shell to do a run's work again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.utils.translation import gettext_lazy as _

from neural.admin.run_page.contents import values_of
from neural.models import TaskRun
from neural.models.run import SET_ASIDE_STATES
from neural.personal.redacting import for_user
from neural.runs.commands import call_command, retry_command, submit_command


@dataclass(frozen=True)
class Command:
    """A command; ``name`` is the id of its text."""

    name: str
    title: Any
    text: str
    is_masked: bool = False
    """Whether personal data in it is masked: then it does not do the same work."""


def commands_for(run: TaskRun, user: Any) -> Sequence[Command]:
    """The commands for this run, with what the user may see of its content."""
    return [*_retry(run), *(_of_event(run, user) if run.event_id else _of_task(run, user))]


def _retry(run: TaskRun) -> Iterator[Command]:
    if run.state in SET_ASIDE_STATES:
        yield Command("command-retry", _("Retry this run"), retry_command(run))


def _of_event(run: TaskRun, user: Any) -> Iterator[Command]:
    event: Any = run.event
    values = values_of(event, "payload")
    if values is None or values[0] is None or not user.has_perm("neural.view_neuralevent"):
        return
    shown = for_user(values[0], user)
    text = submit_command(event, payload=shown)
    title = _("Submit the same event elsewhere (here it changes nothing)")
    yield Command("command-submit", title, text, is_masked=shown != values[0])


def _of_task(run: TaskRun, user: Any) -> Iterator[Command]:
    values = values_of(run, "args", "kwargs")
    if values is None:
        return
    args, kwargs = shown = [for_user(each, user) for each in values]
    text = call_command(run, args=args, kwargs=kwargs, app=current_app.main)
    yield Command("command-call", _("Call the task anew"), text, is_masked=shown != values)
