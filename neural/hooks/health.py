"""The checks of webhooks: do receivers take what is sent, can sources check
signatures, and does a push wait?"""

import datetime as dt

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.health.checks import Check
from neural.health.findings import Finding, listed, ok, problem, span, warning
from neural.health.situation import Situation
from neural.hooks.incoming.receiving import SourceNotReady, ready_platform
from neural.hooks.models import (
    Delivery,
    PauseReason,
    PushState,
    Subscription,
    SubscriptionState,
    UnroutedPush,
    WebhookSource,
)
from neural.kit.encrypted import SecretUnreadable
from neural.models import Store
from neural.models.store import sees_every_store

PATIENCE = dt.timedelta(minutes=5)
"""How long a delivery may wait for its first attempt while its receiver is well."""
_NAMED = 5
MOST_LOOKED_AT = 100


def webhook_deliveries(situation: Situation) -> Finding:
    """Check that no subscription was paused by us, none is failing, and deliveries go out."""
    subscriptions = Subscription.objects.defer("secrets")
    paused = subscriptions.filter(state=SubscriptionState.PAUSED)
    if stopped := list(paused.exclude(paused_reason=PauseReason.BY_HAND)[:_NAMED]):
        return problem(
            _("paused, because the receiver failed: %(names)s") % {"names": _names(stopped)},
            _("mend the receiver, then press Resume at the subscription; what waits is then sent"),
        )
    if failing := list(subscriptions.active().filter(failures__gte=3)[:_NAMED]):
        return warning(
            _("the receiver fails: %(names)s") % {"names": _names(failing)},
            _("see its answers under Deliveries in the admin"),
        )
    found = _waiting(situation) or _beyond_makers()
    return found or ok(_count_of(subscriptions.active().count()))


def _waiting(situation: Situation) -> Finding | None:
    """A finding about deliveries that nobody sends."""
    healthy = Subscription.objects.active().filter(failures=0).values("pk")
    waiting = Delivery.objects.unrequested().filter(subscription__in=healthy)
    first = waiting.order_by("pk").values_list("created_at", flat=True).first()
    if first is None or situation.now - first < PATIENCE:
        return None
    waits = span((situation.now - first).total_seconds())
    return problem(
        _("deliveries wait, the first for %(span)s") % {"span": waits},
        _("see that a worker runs, and reads the queue of the setting hook_queue"),
    )


def _beyond_makers() -> Finding | None:
    """A finding about subscriptions that send what their makers may not see."""
    beyond = beyond_their_makers()
    if not beyond:
        return None
    return warning(
        _("these send events of stores that their makers may no longer see: %(names)s")
        % {"names": _names(beyond[:_NAMED])},
        _("look at each in the admin: press Take over if it is right, or else pause or change it"),
    )


def _names(subscriptions: list[Subscription]) -> str:
    return listed(each.name for each in subscriptions)


def _count_of(count: int) -> str:
    text = ngettext("%(count)d active subscription", "%(count)d active subscriptions", count)
    return text % {"count": count}


def webhook_sources(situation: Situation) -> Finding:
    """Check that every active source can check signatures, and that no push waits for a store."""
    sources = list(WebhookSource.objects.filter(active=True).defer("credentials").order_by("name"))
    if unready := [each.name for each in sources if not _is_ready(each)]:
        return problem(
            _("cannot check signatures: %(names)s") % {"names": listed(unready[:_NAMED])},
            _("enter the credentials in the admin, or install the app of the platform"),
        )
    waiting = UnroutedPush.objects.filter(state=PushState.WAITING)
    first = waiting.order_by("pk").values_list("received_at", flat=True).first()
    if first is not None:
        text = _("pushes wait for their store, the first for %(span)s")
        waits = span((situation.now - first).total_seconds())
        return warning(
            text % {"span": waits},
            _("see the unrouted pushes in the admin: enter their store codes, or dismiss them"),
        )
    text = ngettext("%(count)d active source", "%(count)d active sources", len(sources))
    return ok(text % {"count": len(sources)})


DELIVERIES = Check("webhooks", webhook_deliveries, title=gettext_lazy("Webhooks"))
SOURCES = Check("webhook sources", webhook_sources, title=gettext_lazy("Sources of webhooks"))


def _is_ready(source: WebhookSource) -> bool:
    try:
        ready_platform(source)
    except (SourceNotReady, SecretUnreadable):
        return False
    return True


def beyond_their_makers() -> list[Subscription]:
    """Active subscriptions with stores that their makers may not see now; at most
    :data:`MOST_LOOKED_AT` are looked at."""
    own = Store.objects.filter(pk=OuterRef("store_id"), operators=OuterRef(OuterRef("created_by")))
    sent = Subscription.stores.through.objects.filter(subscription=OuterRef("pk"))
    more = Q(every_store=True) | Exists(sent.filter(~Exists(own))) | Q(created_by__is_active=False)
    made = Subscription.objects.active().exclude(created_by=None).filter(more)
    found = made.defer("secrets").select_related("created_by").order_by("pk")[:MOST_LOOKED_AT]
    return [each for each in found if is_beyond_its_maker(each)]


def is_beyond_its_maker(subscription: Subscription) -> bool:
    """Whether its maker may not see all that it sends. Nobody knows that of one without a maker."""
    maker = subscription.created_by
    if maker is None or sees_every_store(maker):
        return False
    if subscription.every_store or not maker.is_active:
        return True
    others = subscription.stores.exclude(pk__in=Store.objects.filter(operators=maker).values("pk"))
    return others.exists()
