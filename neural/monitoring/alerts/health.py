"""The probe of channels for ``doctor``: can alerts be sent to people?"""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.health.findings import Finding, listed, ok, problem
from neural.health.situation import Situation
from neural.monitoring.models import AlertChannel

_NAMED = 5


def alert_channels(situation: Situation) -> Finding:
    """Check that no channel is broken."""
    channels = AlertChannel.objects.filter(enabled=True).defer("secrets").order_by("pk")
    if broken := list(channels.exclude(broken="")[:_NAMED]):
        return problem(
            "alert channels",
            _("nothing can be sent to: %(names)s") % {"names": listed(map(str, broken))},
            _("see the channel's page in the admin; correct it, then press Try again"),
        )
    count = channels.count()
    if not count:
        return ok("alert channels", _("none: alerts are shown in the admin only"))
    text = ngettext("%(count)d channel", "%(count)d channels", count)
    return ok("alert channels", text % {"count": count})
