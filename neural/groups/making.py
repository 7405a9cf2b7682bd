"""Makes the groups, and brings their permissions up to date with the table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from neural.errors import PermanentError
from neural.groups.table import Role, permissions_of


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
