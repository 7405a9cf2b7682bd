"""The probe of receiving for ``doctor``: can sources check signatures, and does a push wait?"""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.encrypted import SecretUnreadable
from neural.health.findings import Finding, listed, ok, problem, span, warning
from neural.health.situation import Situation
from neural.hooks.incoming.receiving import SourceNotReady, ready_platform
from neural.hooks.models import PushState, UnroutedPush, WebhookSource

NAME = "webhook sources"
_NAMED = 5


def webhook_sources(situation: Situation) -> Finding:
    """Check that every active source can check signatures, and that no push waits for a store."""
    sources = list(WebhookSource.objects.filter(active=True).defer("credentials").order_by("name"))
    if unready := [each.name for each in sources if not _is_ready(each)]:
        return problem(
            NAME,
            _("cannot check signatures: %(names)s") % {"names": listed(unready[:_NAMED])},
            _("enter the credentials in the admin, or install the app of the platform"),
        )
    waiting = UnroutedPush.objects.filter(state=PushState.WAITING)
    first = waiting.order_by("pk").values_list("received_at", flat=True).first()
    if first is not None:
        text = _("pushes wait for their store, the first for %(span)s")
        waits = span((situation.now - first).total_seconds())
        return warning(
            NAME,
            text % {"span": waits},
            _("see the unrouted pushes in the admin: enter their store codes, or dismiss them"),
        )
    text = ngettext("%(count)d active source", "%(count)d active sources", len(sources))
    return ok(NAME, text % {"count": len(sources)})


def _is_ready(source: WebhookSource) -> bool:
    try:
        ready_platform(source)
    except (SourceNotReady, SecretUnreadable):
        return False
    return True
