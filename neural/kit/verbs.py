"""Verbs: what people do to rows, such as *Retry*, described once for a button, a list and a check
of permissions. The admin performs them (:mod:`neural.admin.actions`), for one row or a selection.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from neural.models.store import sees_every_store


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One action on a row.

    ``apply(row, user)`` performs it and returns whether the row was changed. ``fits(row)`` decides
    whether the button is shown. ``change`` is the text of the audit entry, in English and marked
    for translation, or a function that returns it for a row and is called before ``apply``.
    ``message_for(row)`` returns the level and text of a message about a changed row, for verbs
    where a count is not enough. ``whole_chain`` marks a verb that concerns every store: users who
    are limited to some stores may not use it. ``allows(row, user)`` decides about one row what the
    permission alone does not. ``leads_to(rows, back)`` is the address of a page that shows what the
    verb would do to a selection before it is done, and may return to the page ``back``; with
    ``asks_for_one``, the verb of one row leads there, too. ``needs_reason(row)``: nothing
    is done without the person's reason.
    """

    name: str
    label: Any
    explanation: Any
    permission: str
    apply: Callable[[Any, Any], bool]
    fits: Callable[[Any], bool]
    change: str | Callable[[Any], str]
    message_for: Callable[[Any], tuple[int, str]] | None = None
    whole_chain: bool = False
    allows: Callable[[Any, Any], bool] = lambda row, user: True
    leads_to: Callable[[Iterable[Any], str], str] = lambda rows, back: ""
    asks_for_one: bool = False
    needs_reason: Callable[[Any], bool] = lambda row: False

    def change_of(self, row: Any) -> str:
        """What the verb changes of this row, as the audit log tells it."""
        return self.change if isinstance(self.change, str) else self.change(row)

    def is_permitted(self, user: Any) -> bool:
        """Whether this user may apply the verb to rows that they see."""
        permitted: bool = user.has_perm(self.permission)
        return permitted and (not self.whole_chain or sees_every_store(user))


def refusal(verb: Verb) -> str:
    """The reason why a user may not use this verb, as a sentence."""
    if verb.whole_chain:
        text = _(
            "%(action)s concerns every store. It needs the permission for it, and the permission "
            "to see the rows of every store."
        )
    else:
        text = _("%(action)s needs a permission that you do not have.")
    return text % {"action": verb.label}
