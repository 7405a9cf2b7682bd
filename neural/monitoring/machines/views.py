"""The addresses that machines ask: ``/metrics``, ``/healthz``, ``/readyz``."""

import logging
from typing import Any

from django.db import Error, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from neural.monitoring.machines import collecting, readiness
from neural.monitoring.machines.access import may_read

logger = logging.getLogger(__name__)


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
    found = readiness.checks()
    is_ready = not any(check.fails and check.required for check in found)
    told: dict[str, Any] = {
        "status": "ready" if is_ready else "not ready",
        "checks": {check.name: "fails" if check.fails else "ok" for check in found},
    }
    if any(check.detail for check in found) and _may_see_details(request):
        told["details"] = {check.name: check.detail for check in found if check.detail}
    return JsonResponse(told, status=200 if is_ready else 503)


def _may_see_details(request: HttpRequest) -> bool:
    try:
        return may_read(request)
    except Error:
        return False  # who it is cannot be looked up


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
