"""The bare view."""

import json

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from benchmarks.bare.models import Row


@csrf_exempt
def insert(request: HttpRequest) -> JsonResponse:
    row = Row.objects.create(payload=json.loads(request.body))
    return JsonResponse({"id": row.pk}, status=202)
