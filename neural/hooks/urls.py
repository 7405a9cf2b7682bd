"""The address that platforms call: mount it with ``include("neural.hooks.urls")``."""

from django.urls import path

from neural.hooks.incoming.views import receive_push

urlpatterns = [path("<path:name>", receive_push, name="neural_hooks_receive")]
