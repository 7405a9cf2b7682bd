"""Explains the answers of channels to people: what a code means, and what to do."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.monitoring.models import ChannelKind

_OURS: Mapping[str, Any] = {
    "address_refused": _("No request may go to this address. Correct it."),
    "channel_broken": _("The channel was broken at that time."),
    "channel_off": _("The channel was off at that time."),
    "error": _("Something unexpected happened on our side."),
    "host_unknown": _("The host of the address is not known. Is the address right?"),
    "mail_not_set_up": _(
        "The project's settings for e-mail are missing. Set them, restart, and try again."
    ),
    "no_address": _("The channel has no address. Enter one."),
    "no_answer": _("The server did not answer in time."),
    "secret_unreadable": _(
        "The address was encrypted with another SECRET_KEY. Enter it and the secret again."
    ),
    "SMTP 535": _("The mail server refuses the user name or the password."),
    "SMTP 550": _("The mail server refuses an e-mail address."),
    "HTTP 301": _("The address has moved. Enter the one to which it leads."),
    "HTTP 308": _("The address has moved. Enter the one to which it leads."),
    "HTTP 410": _("The receiver wants no more messages."),
}
_NO_SUCH_ROBOT = _("There is no robot with this address. Copy its address again.")
_PLATFORMS: Mapping[str, Mapping[str, Any]] = {
    ChannelKind.WECOM: {
        "93000": _NO_SUCH_ROBOT,
        "40058": _("WeCom does not accept the form of the message."),
        "45009": _("The robot has sent too many messages; it goes on by itself."),
    },
    ChannelKind.DINGTALK: {
        "300001": _NO_SUCH_ROBOT,
        "300005": _NO_SUCH_ROBOT,
        "310000": _(
            "The robot's security settings refuse it: the secret is wrong, its keyword is not the "
            "first word of our messages, or our address is not allowed."
        ),
        "130101": _("The robot has sent too many messages; it goes on by itself."),
    },
    ChannelKind.FEISHU: {
        "19001": _NO_SUCH_ROBOT,
        "19021": _("The secret is wrong, or the clock of this machine is."),
        "19022": _("The robot does not allow our address (IP)."),
        "19024": _("The robot's keyword is not the first word of our messages."),
        "9499": _("Feishu does not accept the form of the message."),
        "11232": _("The robot has sent too many messages; it goes on by itself."),
    },
}


def explained(kind: str, answer: str) -> str:
    """What an answer (``code: words``) of this kind of channel means; empty if nothing is known."""
    code = answer.partition(":")[0]
    return str(_PLATFORMS.get(kind, {}).get(code) or _OURS.get(code, ""))
