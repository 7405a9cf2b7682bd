"""Which permissions each group has. Every app states its own: one that is left out leaves no gap.

Call :func:`register_group_permissions` in a module ``neural_groups`` of an app; it is imported when
the groups are made.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.module_loading import autodiscover_modules

from neural.registry import Registry

MODULE = "neural_groups"
CHANGING = ("add", "change", "delete")


class Role(StrEnum):
    """The groups, each with all permissions of the one before, but for the last."""

    VIEWER = "viewer"
    """Looks, and changes nothing."""
    OPERATOR = "operator"
    """Keeps work going: retries, cancels, discards, pauses, acknowledges."""
    MANAGER = "manager"
    """Also decides: edits, trains, publishes, sets up; sees personal data and the audit log."""
    EVERY_STORE = "every store"
    """Whose stores: a user in this group sees the rows of all. It permits no act by itself."""


LADDER = (Role.VIEWER, Role.OPERATOR, Role.MANAGER)


@dataclass(frozen=True, kw_only=True)
class GroupPermissions:
    """What an app states of its permissions, by their codenames."""

    app: str
    groups: Mapping[Role, Sequence[str]]
    """What each group has besides what it has from the group before."""
    nobody: Mapping[str, str]
    """Permissions that no group has, each with the reason."""
    read_only: Sequence[str]
    """Models whose rows machines alone write: no group adds, changes or deletes them."""
    internal: Sequence[str]
    """Models without pages: no group even views them."""

    def left_out(self) -> set[str]:
        """The permissions that are in no group, on purpose."""
        unwritten = {f"{verb}_{model}" for model in self.read_only for verb in CHANGING}
        unseen = {f"{verb}_{model}" for model in self.internal for verb in ("view", *CHANGING)}
        return {*self.nobody, *unwritten, *unseen}


TABLE: Registry[GroupPermissions] = Registry("permissions of groups of the app")


def register_group_permissions(
    *,
    app: str,
    viewer: Sequence[str] = (),
    operator: Sequence[str] = (),
    manager: Sequence[str] = (),
    every_store: Sequence[str] = (),
    nobody: Mapping[str, str] | None = None,
    read_only: Sequence[str] = (),
    internal: Sequence[str] = (),
) -> None:
    """State in which groups the permissions of an app are. ``app`` is the app's label; permissions
    are given by their codenames, models by their names in small letters.

    ``nobody`` says why a permission is in no group. Nobody adds, changes or deletes the rows of
    ``read_only`` models, which need ``view_`` in a group, or the rows of ``internal`` ones.
    """
    groups = {
        Role.VIEWER: viewer,
        Role.OPERATOR: operator,
        Role.MANAGER: manager,
        Role.EVERY_STORE: every_store,
    }
    TABLE.add(
        app,
        GroupPermissions(
            app=app, groups=groups, nobody=nobody or {}, read_only=read_only, internal=internal
        ),
    )


def load() -> None:
    """Import what the installed apps state."""
    autodiscover_modules(MODULE)


def permissions_of(role: Role) -> list[str]:
    """The permissions of a group, like ``neural.view_taskrun``, sorted."""
    load()
    return sorted(set(_of(role)))


def _of(role: Role) -> Iterator[str]:
    steps = LADDER[: LADDER.index(role) + 1] if role in LADDER else (role,)
    for stated in TABLE:
        for step in steps:
            yield from (f"{stated.app}.{codename}" for codename in stated.groups[step])
