"""Gives each list of an admin its files, at ``export.csv`` and ``export.ndjson`` beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from neural.admin.exporting.columns import Column, columns_of, seen_by
from neural.admin.exporting.formats import FORMATS, Format
from neural.admin.exporting.reading import ExportRefused, Slices, keys_of, pieces
from neural.admin.exporting.streaming import AT_ONCE, Content, has_room, is_sent_to, streamed
from neural.audit import record, record_end
from neural.kit.sites import address_in_admin
from neural.models import AuditOutcome, AuditSource

ACTION = "export"
PERMISSION = "neural.export_rows"
ROWS = "rows"
"""The parameter that limits a file to so many rows."""
NO_FILTERS = ("before", "after", "p", "all", "e", "o", "_facets", "_popup", "_to_field")
"""Parameters of a list that say what a page looks like, and not which rows are meant."""


class ExportingAdmin(admin.ModelAdmin):
    """An admin whose list can be had as a file, by users who may see it and may export lists."""

    exported = True
    """Whether there are files. False for a page that shows no rows of its model."""
    export_fields: Sequence[str] | None = None
    """The columns of a file in their order, as paths of the ORM (``store__name``); None for the
    model's own, without binary ones, encrypted ones and those that :data:`~.columns.SECRET` names.
    """
    export_left_out: Sequence[str] = ()
    """Own columns that are not in a file."""

    def get_export_fields(self, request: HttpRequest) -> Sequence[str] | None:
        """The columns for this user."""
        return self.export_fields

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether this user may have the list as a file."""
        return request.user.has_perm(PERMISSION) and self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        """Django's addresses, and one for each format."""
        view = self.admin_site.admin_view(self.export_view)
        own = [
            path(
                f"export.{each.extension}",
                view,
                {"written": each},
                name=address_name(self.model, each),
            )
            for each in (FORMATS if self.exported else ())
        ]
        return [*own, *super().get_urls()]

    @method_decorator(require_safe)
    def export_view(self, request: HttpRequest, written: type[Format]) -> HttpResponseBase:
        """The file; or a sentence that says why there is none."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        try:
            limit = most_rows(request.GET)
            request.GET = filters_of(request.GET)  # type: ignore[assignment]
            keys = keys_of(self, request)
        except ExportRefused as refused:
            return _sentence(str(refused), status=400)
        if request.method == "HEAD":
            return _described(HttpResponse(), self, written)
        if is_sent_to(request.user.pk):
            text = _("A file is being made for you already. Try again when it is ready.")
            return _sentence(text, status=503)
        if not has_room():
            text = _("%(count)d files are being made already. Try again when one is ready.")
            return _sentence(text % {"count": AT_ONCE}, status=503)
        return _described(self._sent(request, written, keys, limit), self, written)

    def _sent(
        self, request: HttpRequest, written: type[Format], keys: Slices, limit: int | None
    ) -> StreamingHttpResponse:
        columns = columns_of(
            self.model, self.get_export_fields(request), left_out=self.export_left_out
        )
        rows = pieces(keys, self.get_queryset(request), columns, limit)
        facts = _facts(request, self, written)
        begun = record(outcome=AuditOutcome.BEGUN, **facts)
        content = Content(
            _seen(request.user, columns, rows),
            written(columns),
            lambda how, count: record_end(ends=begun, outcome=how, count=count, **facts),
            owner=request.user.pk,
        )
        return streamed(request, content)


def _seen(user: Any, columns: Sequence[Column], rows: Slices) -> Slices:
    for piece in rows:
        yield [seen_by(user, columns, row) for row in piece]


def _described(
    response: HttpResponseBase, model_admin: admin.ModelAdmin, written: type[Format]
) -> HttpResponseBase:
    """The response with what a browser and a proxy need to know of the file."""
    moment = timezone.localtime().strftime("%Y-%m-%d %H%M%S")
    name = f"{model_admin.opts.verbose_name_plural} {moment}.{written.extension}"
    response.headers["Content-Type"] = written.content_type
    response.headers["Content-Disposition"] = str(
        content_disposition_header(as_attachment=True, filename=name)
    )
    return response


def _sentence(text: str, *, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _facts(
    request: HttpRequest, model_admin: admin.ModelAdmin, written: type[Format]
) -> dict[str, Any]:
    """What the audit log says about a file, at its beginning and at its end."""
    return {
        "action": ACTION,
        "by": request.user.get_username(),
        "user_id": request.user.pk,
        "source": AuditSource.ADMIN,
        "query": request.GET.dict(),
        "details": {"model": model_admin.opts.label_lower, "format": written.extension},
    }


def address_name(model: type[Model], written: type[Format]) -> str:
    """The name of the address, in the admin's namespace."""
    return f"{model._meta.app_label}_{model._meta.model_name}_export_{written.extension}"


def links_for(request: HttpRequest, model: type[Model]) -> list[tuple[str, str]]:
    """Label and address of each format for the list that this request shows; none for users who
    may not export."""
    if not request.user.has_perm(PERMISSION) or "_popup" in request.GET:
        return []
    query = filters_of(request.GET).urlencode()
    try:
        found = [(each, address_in_admin(address_name(model, each))) for each in FORMATS]
    except NoReverseMatch:
        return []
    return [(each.label, f"{address}?{query}" if query else address) for each, address in found]


def filters_of(params: QueryDict) -> QueryDict:
    """The parameters that choose rows."""
    kept = params.copy()
    for name in (*NO_FILTERS, ROWS):
        kept.pop(name, None)
    return kept


def most_rows(params: Mapping[str, Any]) -> int | None:
    """To how many rows the file is limited. Raises :class:`ExportRefused`."""
    text = params.get(ROWS, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise ExportRefused(
            _("“%(rows)s” is no number of rows: write one like 1000.") % {"rows": text}
        )
    return int(text)
