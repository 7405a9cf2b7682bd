"""What the body of a ledger task may ask for: to be tried again."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from celery import Task
from django.utils import timezone

from neural.celeryapp.options import OptionNotKept, aware
from neural.celeryapp.policies import is_said
from neural.ledger.work import RetryRequested


class RetriedTask(Task):
    """``self.retry`` of a ledger task."""

    abstract = True

    def retry(  # type: ignore[override]
        self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any
    ) -> Any:
        """Try this run again later, by the ledger. As in Celery, ``countdown`` or ``eta``
        replace the backoff and ``max_retries`` the limit; the arguments stay what they are."""
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, **options)
        self._refuse_changes(args, kwargs, options)
        raise RetryRequested(
            exc,
            countdown=self._countdown(options.get("countdown"), options.get("eta")),
            max_retries=options.get("max_retries"),
        )

    def _refuse_changes(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> None:
        if (args is not None and list(args) != list(self.request.args or ())) or (
            kwargs is not None and dict(kwargs) != dict(self.request.kwargs or {})
        ):
            raise OptionNotKept(f"{self.name}: a retry cannot change a run's arguments")
        asked = {name for name, value in options.items() if value is not None}
        others = sorted(asked - {"countdown", "eta", "max_retries", "throw"})
        if others or options.get("throw", True) is not True:
            what = ", ".join(others) or "throw=False"
            raise OptionNotKept(f"{self.name}: self.retry() does not know {what} in the ledger")

    def _countdown(self, countdown: float | None, eta: dt.datetime | None) -> float | None:
        if eta is not None:
            return max(0, (aware(eta) - timezone.now()).total_seconds())
        if countdown is None and is_said(self, "default_retry_delay"):
            return self.default_retry_delay
        return countdown

    def replace(self, sig: Any) -> Any:
        """Refused: a run is one piece of work. Submit the other task, or use a chain."""
        raise OptionNotKept(f"{self.name}: self.replace() is not kept by the ledger; use a chain")
