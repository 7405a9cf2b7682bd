"""Commands for a shell that do a run's work again. Pure text: nothing is run here."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from neural.models import NeuralEvent, TaskRun

LONGEST_ARGUMENT = 100_000
"""Bytes. Linux takes 128 KiB for one argument; a longer payload comes by standard input."""
MANAGE = ("python", "manage.py")
_END = "END_OF_PAYLOAD"


def retry_command(run: TaskRun) -> str:
    """Retries this run where it is."""
    # An id that looks like an option is none of a UUID: then the row's number says which.
    named = str(run.pk) if run.task_id.startswith("-") else run.task_id
    return shlex.join([*MANAGE, "retry_runs", "--yes", f"--state={run.state}", "--ids", named])


def call_command(run: TaskRun, *, args: Any, kwargs: Any, app: str) -> str:
    """Calls the run's task anew, through Celery. ``app`` is the name of the project's package."""
    called = ["celery", "-A", app, "call", run.task, f"--queue={run.queue}"]
    return shlex.join([*called, f"--args={_json(args)}", f"--kwargs={_json(kwargs)}"])


def submit_command(event: NeuralEvent, *, payload: Any) -> str:
    """Submits the same event: where it is recorded already, this changes nothing."""
    given = {
        "type": event.type,
        "store": event.store_id,
        "source": event.source,
        "event-id": event.event_id,
        "occurred-at": event.occurred_at.isoformat(),
    }
    # With an equals sign, because a value may begin with a hyphen.
    options = [f"--{name}={value}" for name, value in given.items()]
    return _with_payload([*MANAGE, "submit_event", *options], _json(payload))


def _with_payload(parts: Sequence[str], text: str) -> str:
    if len(text.encode()) <= LONGEST_ARGUMENT:
        return shlex.join([*parts, f"--payload={text}"])
    return f"{shlex.join([*parts, '--payload=@-'])} <<'{_END}'\n{text}\n{_END}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
