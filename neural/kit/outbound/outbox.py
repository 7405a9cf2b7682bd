"""What leaves the house: messages that wait to be sent, and one attempt to send one.

An attempt has three steps: :meth:`Outgoing.begin` takes the message (a lease, by a conditional
UPDATE: one wins), :func:`post` sends it outside of any transaction, :meth:`Outgoing.conclude`
records the outcome. Whoever is killed between the last two leaves a message that was perhaps sent,
and that is sent again when the lease is over, with the same id.
"""

import datetime as dt
import email.utils
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from neural.kit.outbound.answers import Answer, Post, Verdict
from neural.kit.outbound.client import AddressRefused, HostUnknown, HttpAnswer, NoAnswer, request

ANSWER_LENGTH = 500
"""Characters that are stored of what a server answered."""
LONGEST_WAIT = dt.timedelta(days=1)
"""The most that a server may ask for."""
_ASKING_TO_WAIT = (429, 503)


class Outgoing(models.Model):
    """A message on its way to a server that is not ours, sent by the run ``task_id``."""

    task_id = models.CharField(_("task id"), max_length=255, blank=True, default="")
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    attempted_at = models.DateTimeField(_("last attempt"), null=True, blank=True)
    sending_until = models.DateTimeField(_("being sent until"), null=True, blank=True)
    """The lease of whoever is sending it: when the attempt is over at the latest."""
    answer = models.CharField(_("answer"), max_length=ANSWER_LENGTH, blank=True, default="")

    class Meta:
        abstract = True

    def unsent(self) -> models.QuerySet:
        """This row, if it still waits to be sent."""
        raise NotImplementedError

    def begin(self, *only: Q, now: dt.datetime, until: dt.datetime, **also: Any) -> bool:
        """Take it for one attempt, if these hold, too; returns whether it is ours now."""
        begun = {"attempts": F("attempts") + 1, "attempted_at": now, "sending_until": until}
        return bool(self.unsent().filter(*only, **also).update(**begun))

    def conclude(self, **changes: Any) -> bool:
        """Record what came of it; returns whether it was still to be sent."""
        if "answer" in changes:
            changes["answer"] = changes["answer"][:ANSWER_LENGTH]
        return bool(self.unsent().update(sending_until=None, **changes))


def post(
    built: Post,
    judge: Callable[[int, bytes], Answer],
    *,
    now: dt.datetime,
    timeout: float | None = None,
) -> Answer:
    """Send one request, guarded by :mod:`neural.kit.outbound.client`; ``judge`` says what the
    answer's status and body mean. Raises nothing of the network's."""
    try:
        answer = request("POST", built.url, headers=built.headers, body=built.body, timeout=timeout)
    except HostUnknown as error:
        return Answer(Verdict.LATER, "host_unknown", str(error))
    except AddressRefused as error:
        return Answer(Verdict.MISCONFIGURED, "address_refused", str(error))
    except NoAnswer as error:
        return Answer(Verdict.LATER, "no_answer", str(error))
    judged = replace(
        judge(answer.status, answer.body), status=answer.status, seconds=answer.seconds
    )
    wait = retry_after(answer, now=now) if answer.status in _ASKING_TO_WAIT else None
    if wait and judged.verdict is Verdict.LATER:
        return replace(judged, wait_seconds=wait.total_seconds())
    return judged


def retry_after(answer: HttpAnswer, *, now: dt.datetime) -> dt.timedelta | None:
    """What the header Retry-After asks for (RFC 9110, 10.2.3: seconds or a date); None if it asks
    for nothing, or cannot be read."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        seconds = float(given[:9])
    else:
        try:
            seconds = (email.utils.parsedate_to_datetime(given) - now).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    wait = dt.timedelta(seconds=seconds)
    return min(wait, LONGEST_WAIT) if seconds > 0 else None
