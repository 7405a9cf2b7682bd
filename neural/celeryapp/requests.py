"""What a task finds as ``self.request``: the run, whatever the message says."""

from typing import Any

from neural.models import TaskRun


def request_of(run: TaskRun) -> dict[str, Any]:
    """Celery's names for what a run says of itself."""
    options = run.options
    return {
        "id": run.task_id,
        "task": run.task,
        "called_directly": False,
        "is_eager": False,
        "retries": run.failures,
        "parent_id": run.parent_task_id or None,
        "root_id": run.root_id,
        "group": options.get("group_id"),
        "group_index": options.get("group_index"),
        "expires": options.get("expires_at"),
        "timelimit": [options.get("time_limit"), options.get("soft_time_limit")],
        "headers": options.get("headers") or {},
        "shadow": options.get("shadow"),
        "stamped_headers": options.get("stamped_headers"),
        "stamps": options.get("stamps"),
        "_children": None,
    }
