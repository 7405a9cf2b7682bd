"""The project's URLs and the bare view."""

from django.urls import path

from benchmarks.bare.views import insert
from zhilian.urls import urlpatterns

urlpatterns = [*urlpatterns, path("bare", insert)]
