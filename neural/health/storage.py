"""Probe of the disks: is there room for the database's file, and for files of apps?"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from neural.health.findings import Finding, listed, ok, problem, warning
from neural.health.situation import Situation
from neural.ledger import dialects
from neural.registry import Registry

SCARCE = 1024**3
FULL = 64 * 1024**2
"""Free bytes: with less than this, what is written may not fit any more."""

Place = Callable[[], Path | None]
"""A directory on this machine whose files grow; None if there is none."""

PLACES: Registry[Place] = Registry("place of files")


def register_place(name: str, place: Place) -> None:
    """Have `doctor` check the room in this directory, too."""
    PLACES.add(name, place)


def disk(situation: Situation) -> Finding:
    """Every file of ours has room to grow. The disks of other machines are not checked."""
    free = {place: free_bytes(place) for place in dict.fromkeys(places())}
    if not free:
        return ok("disk", _("nothing of ours that grows is on a disk of this machine"))
    scarce = {place: left for place, left in free.items() if left < SCARCE}
    told = listed(f"{place}: {filesizeformat(left)}" for place, left in (scarce or free).items())
    found = _("free: %(places)s") % {"places": told}
    if not scarce:
        return ok("disk", found)
    judge = problem if min(scarce.values()) < FULL else warning
    return judge("disk", found, cure())


def cure() -> str:
    """What to do about a full disk."""
    return _(
        "make room: df -h shows which disk it is, du -xh --max-depth=2 PLACE what fills it; what "
        "was refused meanwhile is done again"
    )


def places() -> Iterator[Path]:
    """Directories on this machine that grow: SQLite's, and those of apps."""
    if file := dialects.ledger_dialect().file(dialects.ledger_connection()):
        yield file.parent
    for place in PLACES:
        if directory := place():
            yield directory


def free_bytes(place: Path) -> int:
    """Bytes left to users other than root on a directory's disk. The directory need not exist
    yet."""
    while not place.exists():
        place = place.parent
    about = os.statvfs(place)
    return about.f_bavail * about.f_frsize
