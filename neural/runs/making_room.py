"""Making room: long work looks now and then whether its worker has something else to do.

What works in slices (indexing) ends its slice then and is due again at once, behind that.
"""

from neural.models import TaskRun
from neural.runs import lifecycle
from neural.runs.work import current_run


def others_wait() -> bool:
    """Whether other work, no less urgent than the run that is under way here, is due on a queue
    that this worker reads."""
    run, queues = current_run(), lifecycle.queues()
    if run is None or not queues:
        return False
    due = TaskRun.objects.due().filter(queue__in=queues, priority__gte=run.priority)
    return due.exclude(task=run.task).exists()
