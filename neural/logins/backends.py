"""The backend that stands before those that know passwords."""

import logging
import math
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from neural.logins.counting import address_of, keys_of, longest_wait, shown

logger = logging.getLogger(__name__)


class ThrottledLogins:
    """Lets in nobody; says no to whoever has to wait, before a password is looked at.

    It has no users of its own, so that sessions and permissions stay with the others.
    """

    @sensitive_variables("credentials")
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, **credentials: Any
    ) -> None:
        """Nothing, which asks the next backend, or PermissionDenied, which asks none."""
        account = username or credentials.get(get_user_model().USERNAME_FIELD) or ""
        address = address_of(request)
        wait, by = longest_wait(keys_of(account=str(account), address=address))
        if not by or not wait:
            return
        seconds = math.ceil(wait.total_seconds())
        said = (shown(account), address or "-", by, seconds)
        logger.warning("event=login_throttled user=%r address=%s by=%s seconds=%d", *said)
        if request is not None:
            request.login_waits = seconds  # type: ignore[attr-defined]
        raise PermissionDenied

    @sensitive_variables("credentials")
    async def aauthenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """The same for asynchronous views."""
        await sync_to_async(self.authenticate)(request, **credentials)
