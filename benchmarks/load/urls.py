"""The project's URLs, and the least that a view can do to keep an event: read JSON, add a row."""

import json

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from benchmarks.load.models import Row
from zhilian.urls import urlpatterns


@csrf_exempt
def insert(request: HttpRequest) -> JsonResponse:
    row = Row.objects.create(payload=json.loads(request.body))
    return JsonResponse({"id": row.pk}, status=202)


urlpatterns = [*urlpatterns, path("bare", insert)]
