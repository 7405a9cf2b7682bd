"""The addresses that machines ask: ``/metrics``, ``/healthz``, ``/readyz``."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from django.db import Error, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from neural.broker.connections import close_quietly, must_accept, short_tempered_connection
from neural.health.database import impatient_database
from neural.ledger import dialects
from neural.models.store import sees_every_store
from neural.monitoring.conf import conf
from neural.monitoring.machines import collecting

logger = logging.getLogger(__name__)
DATABASE_SECONDS = 1
"""How long each statement may take. How long connecting may take is the database's own option."""
PATIENCE_SECONDS = 2
"""How long a check waits for another one of the same part."""
PERMISSION = "neural_monitoring.view_examination"
_SCHEME = "Bearer "


@csrf_exempt  # they change nothing; else another method would have 403 rather than 405
@require_safe
@never_cache
@transaction.non_atomic_requests
def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus' text format; 401 without a token, 503 without the database, 501
    without prometheus-client."""
    try:
        if not may_read(request):
            return HttpResponse(status=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
        return HttpResponse(collecting.exposition(), content_type=collecting.CONTENT_TYPE)
    except Error as error:
        logger.warning("event=metrics_unavailable error=%s", type(error).__name__)
        return _plain("the database is unavailable", 503)
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        return _plain("install prometheus-client: the extra 'monitoring' has it", 501)


@csrf_exempt
@require_safe
@never_cache
@transaction.non_atomic_requests
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers. It asks nothing else, so that no outage makes a supervisor
    restart processes that are well."""
    return _plain("ok", 200)


@csrf_exempt
@require_safe
@never_cache
@transaction.non_atomic_requests
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if the database answers and is migrated, else 503; JSON says which part failed. Details
    are for those who may read metrics."""
    found = checks()
    is_ready = not any(check.fails and check.required for check in found)
    answer: dict[str, Any] = {
        "status": "ready" if is_ready else "not ready",
        "checks": {check.name: "fails" if check.fails else "ok" for check in found},
    }
    if any(check.detail for check in found) and _may_see_details(request):
        answer["details"] = {check.name: check.detail for check in found if check.detail}
    return JsonResponse(answer, status=200 if is_ready else 503)


def _may_see_details(request: HttpRequest) -> bool:
    try:
        return may_read(request)
    except Error:
        return False  # who it is cannot be looked up


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


_database_lock, _broker_lock = Lock(), Lock()

Name = tuple[str, str]
"""App and name of a migration."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found of one part."""

    name: str
    fails: bool
    required: bool = True
    detail: str = ""
    """For people who may see it: errors name hosts."""


def checks() -> list[Check]:
    """Database, migrations and broker; in about two seconds at most, once connected.

    Each part is asked by one thread at a time: a database that neither answers nor refuses must not
    take all threads of the web process, which would then not answer ``/healthz`` either.
    """
    return [
        *_alone(_database_lock, _of_database, Check(name="database", fails=True, detail=_BUSY)),
        *_alone(_broker_lock, _broker, _broken(_BUSY)),
    ]


_BUSY = f"another check has waited for it for over {PATIENCE_SECONDS} s"


def _alone(lock: Lock, check: Callable[[], list[Check]], busy: Check) -> list[Check]:
    if not lock.acquire(timeout=PATIENCE_SECONDS):
        return [busy]
    try:
        return check()
    finally:
        lock.release()


def _of_database() -> list[Check]:
    try:
        with impatient_database(DATABASE_SECONDS):
            applied = set(MigrationRecorder(dialects.ledger_connection()).applied_migrations())
    except Error as error:
        dialects.ledger_connection().close()  # the next check connects anew
        return [Check(name="database", fails=True, detail=str(error).strip())]
    missing = sorted(
        name
        for name, replaced in known_migrations().items()
        if name not in applied and not (replaced and applied.issuperset(replaced))
    )
    return [
        Check(name="database", fails=False),
        Check(name="migrations", fails=bool(missing), detail=", ".join(map(".".join, missing))),
    ]


@cache
def known_migrations() -> Mapping[Name, Sequence[Name]]:
    """Each migration of this code with those that it replaces, which may have been applied in its
    place. Reading them takes about 0.1 s, once."""
    nodes = MigrationLoader(None).graph.nodes
    return {name: [*map(tuple, migration.replaces)] for name, migration in nodes.items()}


def _broken(detail: str) -> Check:
    return Check(name="broker", fails=True, required=False, detail=detail)


def _broker() -> list[Check]:
    connection = short_tempered_connection()
    try:
        must_accept(connection.default_channel)
    except Exception as error:  # noqa: BLE001 (whatever a transport raises is the answer)
        return [_broken(str(error) or type(error).__name__)]
    finally:
        close_quietly(connection)
    return [Check(name="broker", fails=False, required=False)]


def may_read(request: HttpRequest) -> bool:
    """Whether this request has the setting's token, or comes from a user with the permission.

    A local address opens nothing: behind a proxy every request has one. The database is asked only
    if there is no token in the request.
    """
    header = request.headers.get("Authorization", "")
    if header.startswith(_SCHEME):
        token = conf().metrics_token
        return bool(token) and constant_time_compare(header.removeprefix(_SCHEME).strip(), token)
    user = getattr(request, "user", None)
    if user is None or not (user.is_active and user.is_staff and user.has_perm(PERMISSION)):
        return False
    return sees_every_store(user)
