"""The probe of webhooks for ``doctor``: do receivers take what is sent?"""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.health.findings import Finding, listed, ok, problem, span, warning
from neural.health.situation import Situation
from neural.hooks.models import Delivery, PauseReason, Subscription, SubscriptionState
from neural.hooks.outgoing.makers import beyond_their_makers

PATIENCE = dt.timedelta(minutes=5)
"""How long a delivery may wait for its first attempt while its receiver is well."""
_NAMED = 5


def webhook_deliveries(situation: Situation) -> Finding:
    """Check that no subscription was paused by us, none is failing, and deliveries go out."""
    subscriptions = Subscription.objects.defer("secrets")
    paused = subscriptions.filter(state=SubscriptionState.PAUSED)
    if stopped := list(paused.exclude(paused_reason=PauseReason.BY_HAND)[:_NAMED]):
        return problem(
            "webhooks",
            _("paused, because the receiver failed: %(names)s") % {"names": _names(stopped)},
            _("mend the receiver, then press Resume at the subscription; what waits is then sent"),
        )
    if failing := list(subscriptions.active().filter(failures__gte=3)[:_NAMED]):
        return warning(
            "webhooks",
            _("the receiver fails: %(names)s") % {"names": _names(failing)},
            _("see its answers under Deliveries in the admin"),
        )
    found = _waiting(situation) or _beyond_makers()
    return found or ok("webhooks", _told(subscriptions.active().count()))


def _waiting(situation: Situation) -> Finding | None:
    """A finding about deliveries that nobody sends."""
    healthy = Subscription.objects.active().filter(failures=0).values("pk")
    waiting = Delivery.objects.unrequested().filter(subscription__in=healthy)
    first = waiting.order_by("pk").values_list("created_at", flat=True).first()
    if first is None or situation.now - first < PATIENCE:
        return None
    waits = span((situation.now - first).total_seconds())
    return problem(
        "webhooks",
        _("deliveries wait, the first for %(span)s") % {"span": waits},
        _("see that a worker runs, and reads the queue of the setting hook_queue"),
    )


def _beyond_makers() -> Finding | None:
    """A finding about subscriptions that send what their makers may not see."""
    beyond = beyond_their_makers()
    if not beyond:
        return None
    return warning(
        "webhooks",
        _("these send events of stores that their makers may no longer see: %(names)s")
        % {"names": _names(beyond[:_NAMED])},
        _("look at each in the admin: press Take over if it is right, or else pause or change it"),
    )


def _names(subscriptions: list[Subscription]) -> str:
    return listed(each.name for each in subscriptions)


def _told(count: int) -> str:
    text = ngettext("%(count)d active subscription", "%(count)d active subscriptions", count)
    return text % {"count": count}
