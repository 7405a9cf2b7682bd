"""The addresses of bulk actions: where verbs on many runs lead to."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model

from neural.sites import address_if_there

PREVIEW = "neural_bulkaction_preview"
CHOSEN = "_selected_action"
"""The parameter of chosen runs, as Django's lists name it."""


def preview_address(verb: str, params: Mapping[str, Any]) -> str:
    """The page that previews a verb on the runs which parameters of an address mean; empty if the
    admin site does not have it."""
    page = address_if_there(PREVIEW)
    return f"{page}?{urlencode({**params, 'verb': verb}, doseq=True)}" if page else ""


def previewing(verb: str) -> Callable[[Iterable[Model]], str]:
    """A function that returns the address of the preview for chosen runs."""
    return lambda runs: preview_address(verb, {CHOSEN: [run.pk for run in runs]})
