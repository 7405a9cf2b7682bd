"""The admin's pages of alert channels: where alerts go, whether they arrive, a test message."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import NOTHING, badge, page_address
from neural.admin.forms import save_edited
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import ChainWide, NeuralAdmin, section
from neural.audit.titles import register_titles_of_rows
from neural.kit.outbound.answers import Verdict
from neural.kit.sites import address_if_there
from neural.ledger.clock import database_clock
from neural.monitoring.admin.alert_messages import explained
from neural.monitoring.admin.channel_form import ChannelForm, languages, stored_secrets
from neural.monitoring.alerts.channels.delivering import HTTP_KINDS, apprise_scheme
from neural.monitoring.alerts.news import tell_what_holds
from neural.monitoring.alerts.sending import send_test, try_again
from neural.monitoring.models import AlertChannel, ChannelKind

SEND_TEST = "neural_monitoring.test_alert"
TESTED = gettext_noop("messages: one more (send a test message)")
TRIED_AGAIN = gettext_noop("state: broken → well (try again)")

TRY_AGAIN = Verb(
    name="try_again",
    label=_("Try again"),
    explanation=_("Try again: send to these again, also what still holds and was not sent"),
    permission="neural_monitoring.change_alertchannel",
    apply=lambda channel, user: try_again(channel, now=database_clock()),
    fits=lambda channel: bool(channel.broken),
    change=lambda channel: TRIED_AGAIN,
    whole_chain=True,
)


@page(AlertChannel)
class AlertChannelAdmin(VerbsAdmin, ChainWide, NeuralAdmin):
    form = ChannelForm
    verbs = (TRY_AGAIN,)
    list_display = ("name", "kind", "state_display", "goes_to", "least_severity", "language_column")
    search_fields = ("name",)
    ordering = ("name",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without secrets, which may be unreadable."""
        return super().get_queryset(request).defer("secrets")

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        general = ("name", "kind", "enabled", "least_severity", "language")
        if obj is None:
            where: tuple[str, ...] = ("addresses", "url", "secret")
        elif not self.has_change_permission(request, obj):
            where = ("goes_to",)
        elif obj.kind == ChannelKind.EMAIL:
            where = ("addresses",)
        else:
            where = ("goes_to", "url")
            if obj.kind in HTTP_KINDS and HTTP_KINDS[obj.kind].has_secret:
                where += ("secret",) if obj.kind == ChannelKind.WEBHOOK else ("secret", "no_secret")
        sections = [section(None, *general), section(_("Where to"), *where)]
        return sections if obj is None else [*sections, section(_("Course"), "state_in_full")]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The kind stays: address and secret belong to it."""
        return () if obj is None else ("kind", "goes_to", "state_in_full")

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The kind Apprise is for superusers alone: its requests pass our guard by."""
        if db_field.name == "kind" and not request.user.is_superuser:
            kinds = [each for each in ChannelKind.choices if each[0] != ChannelKind.APPRISE]
            kwargs["choices"] = [("", "---------"), *kinds]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_apprise = obj is not None and obj.kind == ChannelKind.APPRISE
        permitted = request.user.is_superuser or not is_apprise
        return permitted and super().has_change_permission(request, obj)

    @method_decorator(sensitive_post_parameters("url", "secret"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's page; no report of an error shows what was entered."""
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save it, and tell it what holds now and it has not heard of."""
        if change:
            save_edited(obj, form, *form.also_set)
        else:
            super().save_model(request, obj, form, change)
        tell_what_holds(obj, now=database_clock())

    # A test message

    @address("<path:object_id>/test/", "_test", require_POST)
    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a test message at once, and show what the channel has answered."""
        channel = self.row_or_404(request, object_id)
        if not request.user.has_perm(SEND_TEST):
            raise PermissionDenied
        log_changes(user=request.user, rows=[channel], change=TESTED, action="test")
        judged = send_test(channel, by=request.user.get_username(), now=database_clock())
        answer = str(judged)
        if judged.verdict is Verdict.SENT:
            text = gettext("The test message was taken: %(answer)s") % {"answer": answer}
            self.message_user(request, text, messages.SUCCESS)
        else:
            text = gettext("The test message was not taken: %(answer)s") % {"answer": answer}
            text = f"{text} {explained(answer)}".strip()
            self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(page_address(channel))

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        may_see = request.user.has_perm("neural_monitoring.view_alertmessage")
        return super().row_context(request, row) | {
            "can_test": request.user.has_perm(SEND_TEST),
            "messages_address": messages_of(row) if may_see else "",
            "broken": row.broken,
            "broken_explained": explained(row.broken),
        }

    # Columns

    @admin.display(description=_("state"))
    def state_display(self, channel: AlertChannel) -> SafeString:
        if channel.broken:
            return badge("dead", gettext("broken"))
        if not channel.enabled:
            return badge("discarded", gettext("off"))
        return badge("succeeded", gettext("on"))

    @admin.display(description=_("state"))
    def state_in_full(self, channel: AlertChannel) -> SafeString:
        """The state, with what the channel answered when it broke."""
        display = self.state_display(channel)
        if not channel.broken:
            return display
        why = explained(channel.broken)
        return format_html("{} {} <code>{}</code>", display, why, channel.broken)

    @admin.display(description=_("goes to"))
    def goes_to(self, channel: AlertChannel) -> str:
        """The host of the address, or how many e-mail addresses: the rest of an address is a
        key."""
        if channel.kind == ChannelKind.EMAIL:
            count = len(channel.addresses.split())
            return ngettext("%(count)d address", "%(count)d addresses", count) % {"count": count}
        url = (stored_secrets(channel) or {}).get("url", "")
        if channel.kind == ChannelKind.APPRISE:
            return apprise_scheme(url) or NOTHING
        return urlsplit(url).hostname or NOTHING

    @admin.display(description=_("language"), ordering="language")
    def language_column(self, channel: AlertChannel) -> str:
        return dict(languages()).get(channel.language, channel.language)


def messages_of(channel: AlertChannel) -> str:
    """The address of the list of a channel's messages; empty if the site has none."""
    address = address_if_there("neural_monitoring_alertmessage_changelist")
    return f"{address}?channel={channel.pk}" if address else ""


register_titles_of_rows(AlertChannel, [("test", _("Send a test message"))])
