"""What is heard of logins: Django's own signals, from whatever page or program."""

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from neural.logins.addresses import address_of
from neural.logins.counting import count_failure, forgive, keys_of

logger = logging.getLogger(__name__)

SHOWN_CHARACTERS = 64


def shown(account: Any) -> str:
    """As much of a name as a log line needs."""
    return str(account)[:SHOWN_CHARACTERS]


def heard_failure(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Count it, unless it was turned away before the password was looked at."""
    if getattr(request, "login_waits", 0):
        return
    field = get_user_model().USERNAME_FIELD
    account = credentials.get("username") or credentials.get(field) or ""
    address = address_of(request)
    logger.warning("event=login_failed user=%r address=%s", shown(account), address or "-")
    count_failure(keys_of(account=str(account), address=address))


def heard_login(sender: Any, user: Any, **_: Any) -> None:
    """The account is its owner's again."""
    forgive(user.get_username())
