"""The task, in the module where Procrastinate looks for tasks."""

from typing import Any

from procrastinate.contrib.django import app  # type: ignore[import-not-found]

from benchmarks.peers.work import add_report


@app.task(name="add_to_demand")
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)
