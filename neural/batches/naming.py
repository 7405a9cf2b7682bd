"""Ids of what is made inside a run, which are the same when the run is repeated: so it goes on with
the batch that it has begun, and adds no member twice."""

import hashlib
from typing import Any

from django.conf import settings

from neural.kit.stored_json import to_json
from neural.ledger.work import current_run
from neural.models import TaskRun
from neural.runs.models.new_run import new_task_id

LONGEST = 200
"""So much of an id is taken over into another."""


def batch_id(run: TaskRun) -> str:
    """The id of the next batch that this attempt makes: the run's task id and an ordinal."""
    long = len(run.task_id) > LONGEST
    whose = f"{run.task_id[:LONGEST]}.{_digest(run.task_id)}" if long else run.task_id
    return f"{whose}.{_ordinal(run, 'batch')}"


def member_id(batch_id: str, *work: Any) -> str:
    """The task id of a member that a run adds, or a new one outside of runs.

    It is made of the batch's id, the work (task and arguments), and the ordinal among those of the
    same work that this attempt adds. So members that are added in another order, or of which some
    are left out, are the same all the same.
    """
    run = current_run()
    if run is None:
        return new_task_id()
    name = _digest(batch_id, run.task_id, run.result, *work)
    ordinal = _ordinal(run, name)
    return f"{batch_id[:LONGEST]}.{name}" + (f".{ordinal}" if ordinal > 1 else "")


def _ordinal(run: TaskRun, name: str) -> int:
    run.given_names[hash(name)] += 1
    return run.given_names[hash(name)]


def _digest(*parts: Any) -> str:
    """With the project's key: nobody can find out by trying which phone an argument was."""
    text = "\n".join(to_json(part, what="the work of a member") for part in parts)
    key = settings.SECRET_KEY.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(text.encode(), key=key, digest_size=8).hexdigest()
