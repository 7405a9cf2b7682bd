"""What a run is about: its event, and what apps know of that event, such as the order."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neural.kit.registry import Registry
from neural.models import NeuralEvent


@dataclass(frozen=True)
class About:
    """A few words, and the address of a page of the admin; empty if there is none that the user
    may open."""

    text: str
    address: str = ""


Known = Callable[[Sequence[NeuralEvent], Any], Mapping[int, Sequence[About]]]
"""Called with the events of one page of runs, whose payloads are not loaded, and the user. Returns
by the events' keys what they are about; reads a bounded number of rows, of the user's stores."""

ABOUT: Registry[Known] = Registry("what runs are about")


def register_about(name: str, known: Known) -> None:
    """Add what an app knows of events. Call it in the app's ``ready()``."""
    ABOUT.add(name, known)


def about_events(events: Sequence[NeuralEvent], user: Any) -> Mapping[int, Sequence[About]]:
    """What apps know of these events, by their keys."""
    found: dict[int, list[About]] = defaultdict(list)
    for known in ABOUT:
        for key, things in known(events, user).items():
            found[key] += things
    return found
