"""Which permissions each group has, and the groups themselves, brought up to date with that.

Every app states its own permissions, so that one that is left out leaves no gap: call
:func:`register_group_permissions` in a module ``neural_groups`` of an app; it is imported when the
groups are made.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils.module_loading import autodiscover_modules

from neural.kit.errors import PermanentError
from neural.kit.registry import Registry

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
    """Import what the core and the installed apps state."""
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


# Making the groups


class GroupsNotMade(PermanentError):
    """The groups cannot be made like this; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class GroupDifference:
    """What is to be done with one group, and in permissions like ``neural.view_taskrun``."""

    name: str
    is_new: bool
    missing: Sequence[str]
    """In the table and not in the group: to be added."""
    more: Sequence[str]
    """In the group and not in the table: a person's, or of a version before."""


def differences(*, prefix: str = "", adopt: bool = False) -> list[GroupDifference]:
    """How the groups differ from the table. A group's name is ``prefix`` and the role's name.

    Raises :class:`GroupsNotMade` if a group of that name is somebody else's, as it has none of the
    role's permissions, unless ``adopt``; or if there is no such permission in the database.
    """
    wanted = {role: permissions_of(role) for role in Role}
    _known({name for names in wanted.values() for name in names})
    found = [_difference(prefix + role, names) for role, names in wanted.items()]
    for each, names in zip(found, wanted.values(), strict=True):
        if not each.is_new and len(each.missing) == len(names) and not adopt:
            raise GroupsNotMade(
                f"there is a group {each.name!r} with none of these permissions, so it is somebody "
                "else's: give it to them with --adopt, or name the groups otherwise with --prefix"
            )
    return found


def make(changes: Iterable[GroupDifference], *, exact: bool) -> list[Group]:
    """Make what is missing, in one transaction, and return the groups that were changed. With
    ``exact``, also take away what the table does not have."""
    changed = []
    with transaction.atomic():
        for each in changes:
            removed = each.more if exact else ()
            if not (each.is_new or each.missing or removed):
                continue
            group, _ = Group.objects.get_or_create(name=each.name)
            group.permissions.add(*_known(each.missing).values())
            group.permissions.remove(*_known(removed).values())
            changed.append(group)
    return changed


def _difference(name: str, wanted: Sequence[str]) -> GroupDifference:
    group = Group.objects.filter(name=name).first()
    has = set() if group is None else {_name(each) for each in _with_apps(group.permissions)}
    return GroupDifference(
        name=name,
        is_new=group is None,
        missing=[each for each in wanted if each not in has],
        more=sorted(has - set(wanted)),
    )


def _known(names: Iterable[str]) -> Mapping[str, Permission]:
    """The permissions of these names. Raises :class:`GroupsNotMade` for one that is not there."""
    wanted = set(names)
    codenames = [each.partition(".")[2] for each in wanted]
    rows = _with_apps(Permission.objects.filter(codename__in=codenames))
    found = {name: each for each in rows if (name := _name(each)) in wanted}
    if unknown := sorted(wanted - found.keys()):
        raise GroupsNotMade(
            f"there is no permission {', '.join(unknown)} in the database: manage.py migrate makes "
            "the permissions of installed apps; is there a slip in the app's neural_groups.py?"
        )
    return found


def _with_apps(permissions: "object") -> Iterable[Permission]:
    found: Iterable[Permission] = permissions.select_related("content_type")  # type: ignore[attr-defined]
    return found


def _name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
