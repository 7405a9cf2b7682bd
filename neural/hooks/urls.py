"""The address that platforms call: mount it with ``include("neural.hooks.urls")``."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
