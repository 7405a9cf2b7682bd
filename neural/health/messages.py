"""Probes of the broker's state, memory, durability and queues (from the facts in ``broker``)."""

from celery import current_app
from django.utils.translation import gettext as _

from neural.health.broker import CURES, WHY, Cause
from neural.health.findings import Finding, in_turn, listed, ok, problem, unknown, warning
from neural.health.situation import Situation

FULL = 0.95
"""Share of its memory from which on Redis refuses messages, or soon will."""


def broker(situation: Situation) -> Finding:
    """The broker answers and accepts messages."""
    facts = situation.broker
    about: dict[str, object] = {"address": facts.address}
    if facts.cause not in (None, Cause.UNREACHABLE):
        about |= {"why": WHY[facts.cause], "error": (facts.refusal or facts.error).rstrip(".")}
        text = _(
            "%(address)s takes no messages: %(why)s (it says: %(error)s); nothing is lost: events "
            "are accepted and run when it takes messages again"
        )
        return problem(text % about, str(CURES[facts.cause]))
    if facts.error:
        text = _(
            "%(address)s does not answer (%(error)s); nothing is lost: events are accepted "
            "and run when it is back"
        )
        text %= about | {"error": facts.error.rstrip(".")}
        if facts.driver == "amqp":
            cure = _(
                "start it: systemctl start rabbitmq-server; if it runs, correct address and "
                "password in CELERY_BROKER_URL"
            )
        else:
            cure = _(
                "start it: systemctl start redis-server (manage.py up starts the embedded one); if "
                "it runs, correct address and password in CELERY_BROKER_URL"
            )
        return problem(text, cure)
    if facts.memory_used is not None and facts.memory_used >= FULL:
        text = _(
            "%(address)s has filled its memory to %(percent).0f%% of maxmemory and soon refuses "
            "messages; nothing is lost: events are accepted and run when it takes messages again"
        )
        text %= about | {"percent": facts.memory_used * 100}
        return problem(text, str(CURES[Cause.MEMORY]))
    about["milliseconds"] = f"{facts.seconds * 1000:.0f}"
    return ok(_("%(address)s answers in %(milliseconds)s ms") % about)


def durability(situation: Situation) -> Finding:
    """Neither a restart nor a full memory loses messages."""
    facts = situation.broker
    if facts.driver == "amqp":
        return ok(_("RabbitMQ keeps our queues and messages on disk over a restart"))
    if facts.error or facts.append_only is None or facts.maxmemory_policy is None:
        return unknown(_("the broker could not be asked what it keeps"))
    wrong, cure = [], []
    if not facts.append_only:
        wrong.append(_("a restart loses its messages (appendonly is off)"))
        cure.append("CONFIG SET appendonly yes")
    if facts.maxmemory_policy != "noeviction":
        text = _("when full it drops messages (maxmemory-policy %(policy)s)")
        wrong.append(text % {"policy": facts.maxmemory_policy})
        cure.append("CONFIG SET maxmemory-policy noeviction")
    if not wrong:
        return ok(_("the broker keeps messages over a restart and drops none"))
    return warning(
        _("%(wrong)s; the relay sends lost ones again, later") % {"wrong": listed(wrong)},
        _("in redis-cli: %(commands)s; and the same in redis.conf") % {"commands": ", ".join(cure)},
    )


def unread_messages(situation: Situation) -> Finding:
    """Every message is in a queue that a live worker reads."""
    facts = situation.broker
    if facts.error:
        return unknown(_("the broker could not be asked what it holds"))
    unread = {name: n for name, n in facts.messages.items() if name not in situation.readers}
    if not unread:
        total = {"count": f"{sum(facts.messages.values()):,}"}
        return ok(_("%(count)s wait, all in queues that are read") % total)
    text = listed(f"{name} ({n:,})" for name, n in unread.items())
    cures = in_turn(map(_cure, unread))
    return problem(_("nobody reads: %(queues)s") % {"queues": text}, cures)


def _cure(queue: str) -> str:
    if queue in current_app.amqp.queues:
        return _("type: manage.py worker --queues %(queue)s") % {"queue": queue}
    return _(
        "%(queue)s is no queue of this project: correct who sends there; to run what waits, type: "
        "manage.py worker --queues %(queue)s"
    ) % {"queue": queue}
