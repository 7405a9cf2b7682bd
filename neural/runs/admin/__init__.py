"""The pages of runs: the list, a run's page, the preview and course of bulk actions."""

from neural.runs.admin import runs
from neural.runs.admin.bulk import actions

__all__ = ["actions", "runs"]
