"""Which queues the page of queues shows: a chain may have hundreds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from neural.health.situation import Situation
from neural.queues import QUEUES

SHOWN = 40
"""So many queues are shown unless all are asked for, or one by its name."""
MOST = 1000
"""No page shows more."""


@dataclass(frozen=True, kw_only=True)
class QueueChoice:
    """The queues of a page, and what was asked for."""

    names: Sequence[str]
    total: int
    due: int = 0
    """Queues with due runs."""
    paused: int = 0
    one: str = ""
    """The only queue that was asked for."""
    is_all: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether there is no queue of the name that was asked for."""
        return bool(self.one) and not self.names

    @property
    def left_out(self) -> int:
        return 0 if self.one else self.total - len(self.names)

    @property
    def has_forms(self) -> bool:
        """Whether each queue's row holds its form; those of hundreds would be most of a page."""
        return len(self.names) <= SHOWN

    @property
    def query(self) -> str:
        """The part of the address after the path."""
        asked = {"queue": self.one} if self.one else {"all": "1"} if self.is_all else {}
        return f"?{urlencode(asked)}" if asked else ""


def chosen_queues(
    situation: Situation, params: Mapping[str, str], *, first: str = ""
) -> QueueChoice:
    """The queues that the parameters ``queue`` and ``all`` ask for, else those that need somebody
    most. ``first`` is shown in any case, if there is such a queue."""
    names = queue_names(situation)
    due, paused = situation.waiting.keys(), situation.pauses.keys()
    about: dict[str, Any] = {"total": len(names), "due": len(due), "paused": len(paused)}
    if one := params.get("queue", ""):
        return QueueChoice(names=[one] if one in names else [], one=one, **about)
    is_all = "all" in params
    if len(names) > SHOWN and not is_all:
        names.sort(key=lambda name: (name != first, *_rank(name, situation)))
    return QueueChoice(names=names[: MOST if is_all else SHOWN], is_all=is_all, **about)


def queue_names(situation: Situation) -> list[str]:
    """The project's queues, those that are read, paused, or have due runs."""
    known = (*QUEUES, *sorted(situation.readers), *situation.waiting, *situation.pauses)
    return list(dict.fromkeys(known))


def _rank(name: str, situation: Situation) -> Sequence[bool | float]:
    """Due runs that nobody reads come first, then pauses, then what has waited longest, and the
    project's own queues before others."""
    waiting, is_paused = situation.waiting.get(name), name in situation.pauses
    is_unread = waiting is not None and not is_paused and not situation.readers.get(name)
    oldest = waiting.oldest_seconds if waiting else 0
    return (not is_unread, not is_paused, -oldest, name not in QUEUES)
