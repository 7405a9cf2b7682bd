"""Connects alerts with the core: their rules, the duty that sends late messages, and the check of
channels."""

from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.health.checks import Check, register_check
from neural.health.findings import Finding, listed, ok, problem
from neural.health.situation import Situation
from neural.kit import thresholds
from neural.monitoring.alerts.sending import send_late_messages
from neural.monitoring.models import AlertChannel
from neural.worker.relay import register_duty

_NAMED = 5


def connect() -> None:
    """Register everything, the rules of apps too; call it when the app is ready."""
    from neural.monitoring.alerts.rules import (  # noqa: F401  (registers them)
        findings,
        queues,
        runs,
        schedules,
        stores,
        thresholds_in_force,
    )

    autodiscover_modules("neural_alerts")
    register_duty("alert messages", send_late_messages)
    register_check(CHANNELS)
    thresholds.connect(thresholds_in_force)


def alert_channels(situation: Situation) -> Finding:
    """Check that no channel is broken."""
    channels = AlertChannel.objects.filter(enabled=True).defer("secrets").order_by("pk")
    if broken := list(channels.exclude(broken="")[:_NAMED]):
        return problem(
            _("nothing can be sent to: %(names)s") % {"names": listed(map(str, broken))},
            _("see the channel's page in the admin; correct it, then press Try again"),
        )
    count = channels.count()
    if not count:
        return ok(_("none: alerts are shown in the admin only"))
    text = ngettext("%(count)d channel", "%(count)d channels", count)
    return ok(text % {"count": count})


CHANNELS = Check("alert channels", alert_channels, title=gettext_lazy("alert channels"))
