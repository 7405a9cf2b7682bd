"""The authentication backend that rejects throttled logins before a password is checked."""

import logging
import math
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from neural.logins.counting import address_of, keys_for, longest_wait, shown

logger = logging.getLogger(__name__)


class ThrottledLogins:
    """Lets nobody in; rejects a login that has to wait, before a password is checked.

    It has no users of its own, so sessions and permissions stay with the other backends.
    """

    @sensitive_variables("credentials")
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, **credentials: Any
    ) -> None:
        """Return None, so the next backend is tried, or raise PermissionDenied, so none is."""
        account = username or credentials.get(get_user_model().USERNAME_FIELD) or ""
        wait, by = longest_wait(keys_for(request, str(account)))
        if not by or not wait:
            return
        seconds = math.ceil(wait.total_seconds())
        known = (shown(account), address_of(request) or "-", by, seconds)
        logger.warning("event=login_throttled user=%r address=%s by=%s seconds=%d", *known)
        if request is not None:
            request.login_waits = seconds  # type: ignore[attr-defined]
        raise PermissionDenied

    @sensitive_variables("credentials")
    async def aauthenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """The same for asynchronous views."""
        await sync_to_async(self.authenticate)(request, **credentials)
