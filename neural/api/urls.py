"""URL patterns of the API. Mount them with ``path("api/", include("neural.api.urls"))``."""

from django.urls import path

from neural.api.docs import docs_view
from neural.api.version1 import build

api = build()

urlpatterns = [
    path("v1/", api.urls),
    path("docs", docs_view(api), name="neural_api_docs"),
]
