"""The language in which a command speaks."""

import os
from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import get_supported_language_variant, to_language


def language_of(chosen: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The chosen language, else that of the terminal (LC_ALL, LC_MESSAGES, LANG) where the
    project has it, else LANGUAGE_CODE. Raises LookupError for a choice that is not there."""
    if chosen:
        return get_supported_language_variant(chosen.lower())
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    try:
        return get_supported_language_variant(to_language(locale.partition(".")[0]))
    except LookupError:
        return settings.LANGUAGE_CODE
