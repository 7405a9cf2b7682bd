"""An admin site whose index is the console's home; Django's own index is "All tables" there."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext as _


class ConsoleSite(AdminSite):
    """Set it as ``default_site`` of the project's ``AdminConfig``.

    Users who may not view the home get Django's index. Neural's pages have the tabs on every site;
    Django's have them if the project's ``admin/base_site.html`` has ``{% neural_tabs %}``.
    """

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's addresses, and that of its index."""
        return [
            path("tables/", self.admin_view(self.tables), name="all_tables"),
            *super().get_urls(),
            # The same address as the index; the name says that it is the home.
            path("", self.admin_view(self.index), name="console_home"),
        ]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Django's guard of a view, which also refuses methods that no page has."""
        # Not at the top: Django loads this module to make the site on which neural.admin registers.
        from neural.admin.guards import answers_pages_alone

        return answers_pages_alone(super().admin_view(view, cacheable))

    def index(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The home; for users who may not view it, Django's index."""
        from neural.admin.pages import on_its_site  # not at the top, as above
        from neural.monitoring.models import Examination

        if self.is_registered(Examination):
            home = self.get_model_admin(Examination)
            if home.has_view_permission(request):
                return on_its_site(home.changelist_view, self.name)(request, extra_context)
        return super().index(request, extra_context)

    def tables(self, request: HttpRequest) -> HttpResponse:
        """Django's index: the lists of every model."""
        return super().index(request, {"title": _("All tables")})
