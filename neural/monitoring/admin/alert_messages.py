"""The admin's pages of messages about alerts: what was sent, where to, what the answer was."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from neural.admin.display import (
    NOTHING,
    code,
    computed_column,
    instant_column,
    link_column,
    link_to_run,
    one_line,
    short_instant_column,
    state_and_attempts,
    state_column,
)
from neural.admin.filters import NamedRowFilter, choice_filter
from neural.admin.pages import page
from neural.admin.scope import ChainWide, ReadOnlyAdmin, section
from neural.kit.keyset.planning import WholeNumbers
from neural.kit.keyset.walks import Walk
from neural.monitoring.alerts.composing import compose
from neural.monitoring.models import AlertChannel, AlertMessage, AlertMessageState

COLOURS: dict[str, str] = {
    AlertMessageState.PENDING: "pending",
    AlertMessageState.SENT: "succeeded",
    AlertMessageState.FAILED: "failed",
}


class ChannelFilter(NamedRowFilter):
    title = _("channel")
    parameter_name = "channel"

    def rows(self, request: HttpRequest) -> QuerySet:
        return AlertChannel.objects.all()


@page(AlertMessage)
class AlertMessageAdmin(ChainWide, ReadOnlyAdmin):
    list_display = (
        short_instant_column(AlertMessage, "created_at"),
        link_column(AlertMessage, "channel"),
        "subject",
        "state_display",
        "answer_line",
    )
    list_display_links = ("subject",)
    list_filter = (choice_filter(_("state"), "state", AlertMessageState), ChannelFilter)
    walks = (
        Walk(parameter="channel", column="channel", values=WholeNumbers()),
        Walk(parameter="state", column="state"),
    )
    search_keys = ("message_id",)
    search_help_text = _("A whole message id.")
    fieldsets = (
        section(
            None,
            "message_id_code",
            link_column(AlertMessage, "channel"),
            "state_badge",
            "answer_in_words",
            "run",
        ),
        section(
            _("Course"),
            (instant_column(AlertMessage, "created_at"), "attempts"),
            (instant_column(AlertMessage, "due_at"), instant_column(AlertMessage, "attempted_at")),
            instant_column(AlertMessage, "sent_at"),
        ),
        section(_("What is sent"), "text"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With the channels, without their secrets."""
        rows = super().get_queryset(request).select_related("channel")
        return rows.defer("channel__secrets")

    # Columns

    @admin.display(description=_("message"))
    def subject(self, message: AlertMessage) -> SafeString | str:
        return one_line(compose(message, language=message.channel.language).title)

    state_badge = state_column(_("state"), COLOURS)

    state_display = computed_column(_("state"), partial(state_and_attempts, COLOURS))
    answer_line = computed_column(_("answer"), one_line, "answer")

    @admin.display(description=_("answer"))
    def answer_in_words(self, message: AlertMessage) -> SafeString | str:
        """The answer, and what it means."""
        if not message.answer:
            return NOTHING
        why = explained(message.answer)
        return format_html("{} <code>{}</code>", why, message.answer)

    message_id_code = computed_column(_("message id"), code, "message_id")
    run = computed_column(_("run that sends it"), link_to_run, "task_id")

    @admin.display(description=_("text"))
    def text(self, message: AlertMessage) -> SafeString | str:
        """What people read, in the language of the channel."""
        sent = compose(message, language=message.channel.language)
        lines = ((line,) for line in (sent.title, *sent.lines))
        return format_html_join(mark_safe("<br>"), "{}", lines)


_NO_SUCH_ROBOT = _("There is no robot with this address. Copy its address again.")
_TOO_MANY = _("The robot has sent too many messages; it goes on by itself.")
_MOVED = _("The address has moved. Enter the one to which it leads.")
_MEANING: Mapping[str, Any] = {
    # Words of ours
    "address_refused": _("No request may go to this address. Correct it."),
    "address_unknown": _("Apprise does not know such an address."),
    "channel_broken": _("The channel was broken at that time."),
    "channel_off": _("The channel was off at that time."),
    "error": _("Something unexpected happened on our side."),
    "host_unknown": _("The host of the address is not known. Is the address right?"),
    "mail_not_set_up": _(
        "The project's settings for e-mail are missing. Set them, restart, and try again."
    ),
    "no_address": _("The channel has no address. Enter one."),
    "no_answer": _("The server did not answer in time."),
    "not_installed": _("Apprise is not installed: pip install -r requirements-apprise.txt"),
    "not_taken": _("The service did not take the message; Apprise tells no more."),
    "scheme_refused": _("The setting alert_apprise_schemes does not name this service."),
    "secret_unreadable": _(
        "The address was encrypted with another SECRET_KEY. Enter it and the secret again."
    ),
    # Protocols
    "SMTP 535": _("The mail server refuses the user name or the password."),
    "SMTP 550": _("The mail server refuses an e-mail address."),
    "HTTP 301": _MOVED,
    "HTTP 308": _MOVED,
    "HTTP 410": _("The receiver wants no more messages."),
    # WeCom
    "93000": _NO_SUCH_ROBOT,
    "40058": _("WeCom does not accept the form of the message."),
    "45009": _TOO_MANY,
    # DingTalk
    "300001": _NO_SUCH_ROBOT,
    "300005": _NO_SUCH_ROBOT,
    "310000": _(
        "The robot's security settings refuse it: the secret is wrong, its keyword is not the "
        "first word of our messages, or our address is not allowed."
    ),
    "130101": _TOO_MANY,
    # Feishu
    "19001": _NO_SUCH_ROBOT,
    "19021": _("The secret is wrong, or the clock of this machine is."),
    "19022": _("The robot does not allow our address (IP)."),
    "19024": _("The robot's keyword is not the first word of our messages."),
    "9499": _("Feishu does not accept the form of the message."),
    "11232": _TOO_MANY,
}
"""What the answers of channels mean, by their codes, of which no two platforms share one."""


def explained(answer: str) -> str:
    """What an answer (``code: words``) means; empty if nothing is known."""
    return str(_MEANING.get(answer.partition(":")[0], ""))
