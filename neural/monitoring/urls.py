"""The addresses that machines ask; mount them with ``path("", include("neural.monitoring.urls"))``.

``/livez`` is Kubernetes' name for ``/healthz``.
"""

from django.urls import path

from neural.monitoring.machines import views

urlpatterns = [
    path("metrics", views.metrics, name="neural_metrics"),
    path("healthz", views.healthz, name="neural_healthz"),
    path("livez", views.healthz, name="neural_livez"),
    path("readyz", views.readyz, name="neural_readyz"),
]
