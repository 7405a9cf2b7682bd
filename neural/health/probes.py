"""Probes that apps add. They run after the core's, on a database that answers."""

from collections.abc import Callable

from neural.health.findings import Finding
from neural.health.situation import Situation
from neural.registry import Registry

Probe = Callable[[Situation], Finding]

PROBES: Registry[Probe] = Registry("probe")


def register_probe(name: str, probe: Probe) -> None:
    """Have `doctor` run this probe, too. Its findings have the same name."""
    PROBES.add(name, probe)
