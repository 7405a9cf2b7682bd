"""What can be done with a selection, or with all runs that match: links to the preview of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neural.admin.bulk_links import PREVIEW
from neural.admin.runs_list.asked import Asked
from neural.models import BulkVerb
from neural.runs.bulk.verbs import EFFECTS, is_permitted
from neural.sites import address_if_there


@dataclass(frozen=True)
class Act:
    """A verb that the user may use; ``for_all`` is the preview for all runs that match."""

    name: str
    label: Any
    for_all: str


def preview_address() -> str:
    """The address of the preview; empty if the site has none."""
    return address_if_there(PREVIEW)


def acts_of(asked: Asked, user: Any) -> Sequence[Act]:
    """The verbs for the runs of an address that this user may use."""
    address = preview_address()
    if asked.query is None or not address:
        return ()
    state = asked.query.state
    fitting = [verb for verb in BulkVerb if not state or state in EFFECTS[verb].states]
    return [
        Act(verb.value, verb.label, f"{address}?{asked.fixed}&verb={verb.value}")
        for verb in fitting
        if is_permitted(verb, user)
    ]
