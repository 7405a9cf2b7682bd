"""Probes that apps add. They run after the core's, on a database that answers."""

from collections.abc import Callable

from neural.health.findings import Finding
from neural.health.situation import Situation
from neural.registry import Registry

Probe = Callable[[Situation], Finding]

PROBES: Registry[Probe] = Registry("probe")
IN_RELAYS: dict[str, Probe] = {}
"""By name, what relays run in place of a probe."""


def register_probe(name: str, probe: Probe, *, in_relays: Probe | None = None) -> None:
    """Have `doctor` run this probe, too. Its findings have the same name.

    Relays run probes too, in the main process of a worker, between two heartbeats. A probe that
    takes long, or that opens what must not be open when that process forks, needs another one for
    them: ``in_relays``.
    """
    PROBES.add(name, probe)
    if in_relays is not None:
        IN_RELAYS[name] = in_relays
