"""What can be wrong: a :class:`Check` for each, and their registry.

A check says all that `doctor`, the console and alerts need to know of it. ``examination`` registers
the core's; those of apps come after them, and are asked of a database that answers.
"""

import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from neural.health.findings import Finding
from neural.kit.registry import Registry

Probe = Callable[[Any], Finding]
"""Called with the :class:`neural.health.situation.Situation`."""


class Needs(enum.IntEnum):
    """What must be well for a probe to have an answer. `doctor` asks in this order."""

    NOTHING = 0
    DATABASE = 1
    """A database that answers."""
    MIGRATIONS = 2
    """And has every table."""
    WRITING = 3
    """And takes changes. Without that no heartbeat is written, so every worker would be called
    dead."""


@dataclass(frozen=True)
class Check:
    """Something that can be wrong: how it is found and called, and where people see more of it."""

    name: str
    """The probe's name in the lines of `doctor` and in what relays keep."""
    probe: Probe
    _: KW_ONLY
    in_relays: Probe | None = None
    """What relays run in place of the probe. They do so in the main process of a worker, between
    two heartbeats: a probe that takes long, or that opens what must not be open when that process
    forks, needs another one for them."""
    seldom: bool = False
    """Whether relays leave it out, because it changes with a deployment alone (and takes seconds),
    or because who keeps findings in the database sees it anyway."""
    needs: Needs = Needs.WRITING
    title: Any = ""
    """Its heading; translated lazily."""
    page: str = ""
    """The admin page that shows what is wrong, as in ``neural_taskrun_changelist``, and (``rows``)
    the parameters of its address that limit it to that."""
    rows: Mapping[str, str] = field(default_factory=dict)
    of_stores: bool = False
    """Whether it can be asked of some stores alone (``situation.stores``)."""
    alerts: Collection[str] = ()
    """The rules of its own alerts. Without any, the general rule of findings raises them."""
    covered_by: Collection[str] = ()
    """Rules of other alerts, which say the same while they are open."""


CHECKS: Registry[Check] = Registry("check")
"""In the order in which `doctor` prints them."""


def register_check(check: Check) -> Check:
    """Have `doctor` and relays look at this, too. An app that is made ready again makes an equal
    one, which changes nothing."""
    known = CHECKS.find(check.name)
    return known if known == check else CHECKS.add(check.name, check)


def register_probe(name: str, probe: Probe, *, in_relays: Probe | None = None) -> None:
    """Register a check that is no more than a probe, and what relays run in its place."""
    register_check(Check(name, probe, in_relays=in_relays))
