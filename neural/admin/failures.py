"""The pages in place of one that failed: they say what happened, and ask no database.

For the URL configuration of a project:

    handler400 = "neural.admin.failures.bad_request"
    handler500 = "neural.admin.failures.server_error"
"""

import logging
import sys
from typing import Any

from django.contrib import admin
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_DISK_FULL = "53100"


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """Answer 400. Unlike Django's page, it does not read the body again, which may be what
    failed."""
    if isinstance(exception, SessionInterrupted):  # raised after the page had done its work
        text = _("Your login ended meanwhile, or the database could not keep it: log in again.")
        return _page(_("Your login has ended"), [text, _what_to_do(request)], status=400)
    text = _("The server could not read what your browser sent. Nothing was done.")
    return _page(_("This request cannot be read"), [text], status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 while the database is away or takes no changes, else 500; called while the error
    is handled."""
    error = sys.exc_info()[1]
    if isinstance(error, BadRequest | MultiPartParserError):  # raised while another was answered
        return bad_request(request, error)
    if isinstance(error, OperationalError | InterfaceError):
        title, causes, status = _("The database is not available"), _of_database(error), 503
    else:
        title, causes, status = _("Something went wrong"), [_of_program()], 500
    response = _page(title, [*causes, _what_to_do(request)], status=status)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _of_database(error: BaseException) -> list[str]:
    """What is wrong with it, for people: its own words name hosts and files."""
    is_full = getattr(error.__cause__, "sqlstate", "") == _DISK_FULL or "is full" in str(error)
    if is_full:
        text = _("The disk of the database is full: it can be read, and takes no changes.")
    else:
        text = _("The database does not answer, or does not do what is asked of it.")
    return [text, _("The command manage.py doctor says what to do.")]


def _of_program() -> str:
    moment = {"time": timezone.now().isoformat(timespec="seconds")}
    return _("The log of the web process says what, at %(time)s.") % moment


def _what_to_do(request: HttpRequest) -> str:
    if request.method in ("GET", "HEAD"):
        return _("Nothing was changed. Try again in a moment.")
    return _(
        "It is not certain whether what you asked for was done: look at its page before you ask "
        "for it again."
    )


def _page(title: str, sentences: list[str], *, status: int) -> HttpResponse:
    """A page of the admin without anything of the one who asks: that would be in the database."""
    try:
        page = render_to_string(
            "admin/neural/failed.html",
            {
                "title": title,
                "sentences": sentences,
                "site_title": admin.site.site_title,
                "site_header": admin.site.site_header,
            },
        )
    except Exception:  # whatever is wrong with the templates of a project
        logger.exception("event=page_of_failure_failed")
        text = "\n\n".join([title, *sentences])
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    return HttpResponse(page, status=status)
