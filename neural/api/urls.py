"""URL patterns of the API. Mount them with ``path("api/", include("neural.api.urls"))``."""

from django.urls import path

from neural.api.routing import patterns_of
from neural.api.version1 import build

urlpatterns = [path("v1/", patterns_of(build()))]
