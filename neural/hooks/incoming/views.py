"""The address ``/hooks/<name>`` that platforms call: reads the request and writes the answer."""

import logging
import re
import threading
from http import HTTPStatus

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from neural.hooks.conf import conf
from neural.hooks.incoming.receiving import SourceNotReady, place_of, receive
from neural.hooks.models import WebhookSource
from neural.hooks.models.incoming import SOURCE_PATTERN
from neural.hooks.platforms.base import Answer, Received
from neural.kit.bodies import Body, RequestRefused, take_no_more
from neural.kit.encrypted import SecretUnreadable

logger = logging.getLogger(__name__)

PUSHED_BYTES = 1024 * 1024
"""The largest body that is read: some tills push whole orders of more than 600 KB."""
PUSHED_SECONDS = 5.0
"""How long a push may be waited for in all: platforms send it at once, and give up as soon."""
MOST_READ_AT_ONCE = 2
"""Pushes of each process: those that are sent by half leave threads for everybody else."""
TURN_SECONDS = 0.1
"""A push that comes whole is read in less."""
RETRY_AFTER_SECONDS = 60

_NAME = re.compile(SOURCE_PATTERN)
_turns = threading.BoundedSemaphore(MOST_READ_AT_ONCE)


@csrf_exempt
@transaction.non_atomic_requests
def receive_push(request: HttpRequest, name: str) -> HttpResponse:
    """Take what a platform pushes to a webhook source.

    An unknown source and an inactive one have the same answer, 404. A body over 1 MiB has 413, one
    that does not arrive soon 408, and one that is cut off or malformed 400.
    Where nothing could be kept (no database, a source without its credentials, an error in the
    platform's class before the signature was found right), the answer is 503, because platforms
    send again after it.
    """
    response = _answered(request, name)
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        take_no_more(request)
    return response


def _answered(request: HttpRequest, name: str) -> HttpResponse:
    try:
        return _received(request, name.removesuffix("/"))
    except SuspiciousOperation:
        raise  # Django answers 400, as to a host that is not allowed
    except RequestRefused as refused:
        if refused.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return HttpResponse(status=refused.status)
        _log_unkept(name, "pushes that are sent by half are waited for", refused)
    except (OperationalError, InterfaceError) as error:
        _log_unkept(name, "the database is away", error)
    except (SourceNotReady, SecretUnreadable) as error:
        _log_unkept(name, str(error), error)
    except Exception as error:  # noqa: BLE001 (a platform's class may raise anything)
        _log_unkept(name, "unexpected", error)
    return HttpResponse(status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _log_unkept(name: str, reason: str, error: Exception) -> None:
    """Without the error's own message, which may hold what was pushed or a credential."""
    logger.error(
        "event=push_not_kept source=%.60r reason=%r error=%s at=%s",
        name,
        reason,
        type(error).__name__,
        place_of(error),
    )


def _received(request: HttpRequest, name: str) -> HttpResponse:
    source = None
    if _NAME.match(name):
        sources = WebhookSource.objects.select_related("store")
        source = sources.filter(name=name, active=True).first()
    if source is None:
        return HttpResponse(status=404)
    received = Received(
        method=request.method or "",
        url=address_called(request),
        headers={each.lower(): value for each, value in request.headers.items()},
        body=_body(request),
    )
    return _response(receive(source, received, now=timezone.now()))


def address_called(request: HttpRequest) -> str:
    """The address as the platform knows it, with its query."""
    public = conf().hook_public_url.rstrip("/")
    return public + request.get_full_path() if public else request.build_absolute_uri()


def _body(request: HttpRequest) -> bytes:
    """The raw body. Raises :class:`RequestRefused`, 503 if it gets no turn to be read."""
    if not _turns.acquire(timeout=TURN_SECONDS):
        raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE)
    try:
        return Body(request, PUSHED_BYTES, PUSHED_SECONDS).read_all()
    finally:
        _turns.release()


def _response(answer: Answer) -> HttpResponse:
    if answer.body is None:
        return HttpResponse(status=answer.status)
    return JsonResponse(
        answer.body,
        status=answer.status,
        safe=False,
        json_dumps_params={"ensure_ascii": False},
    )
