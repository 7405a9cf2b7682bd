"""Reads JSON that a person typed into a form."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from neural.conf import conf
from neural.stored_json import depth_of, is_deeper, said_of


def read_json(text: str) -> Any:
    """The value, with the limit on depth that applies wherever JSON comes in. Raises
    ValidationError, which names the place of what is no JSON."""
    if is_deeper(text, conf().max_json_depth):
        raise ValidationError(said_of(depth_of(text), conf().max_json_depth))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno, "reason": error.msg}
        told = _("Not JSON at line %(line)s, column %(column)s: %(reason)s.")
        raise ValidationError(told % place) from error
    except ValueError as error:  # for example a number of 5,000 digits
        raise ValidationError(str(error)) from error
