"""URL patterns: the admin, the HTTP API, the webhooks that platforms call, and metrics."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.site.site_header = admin.site.site_title = "智链 Zhilian Neural"

# They tell people what happened; Django's own say "Server Error (500)".
handler400 = "neural.admin.failures.bad_request"
handler500 = "neural.admin.failures.server_error"

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("api/", include("neural.api.urls")),
    path("hooks/", include("neural.hooks.urls")),
    path("", include("neural.monitoring.urls")),
]
