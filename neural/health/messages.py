"""Probes of the broker's state, memory, durability and queues (from the facts in ``broker``)."""

from celery import current_app
from django.utils.translation import gettext as _

from neural.health.broker import CURES, WHY, BrokerFacts, Cause
from neural.health.findings import Finding, in_turn, listed, ok, problem, unknown, warning
from neural.health.situation import Situation

FULL = 0.95
"""Share of its memory from which on Redis refuses messages, or soon will."""


def broker(situation: Situation) -> Finding:
    """The broker answers and accepts messages."""
    facts = situation.broker
    if facts.cause not in (None, Cause.UNREACHABLE):
        return _refusing(facts, facts.cause)
    if facts.error:
        return _unreachable(facts)
    if facts.memory_used is not None and facts.memory_used >= FULL:
        return _full(facts)
    values = {"address": facts.address, "milliseconds": f"{facts.seconds * 1000:.0f}"}
    return ok(_("%(address)s answers in %(milliseconds)s ms") % values)


def _unreachable(facts: BrokerFacts) -> Finding:
    return problem(
        _(
            "%(address)s does not answer (%(error)s); nothing is lost: events are accepted "
            "and run when it is back"
        )
        % {"address": facts.address, "error": facts.error.rstrip(".")},
        _start_rabbitmq() if facts.driver == "amqp" else _start_redis(),
    )


def _start_redis() -> str:
    return _(
        "start it: systemctl start redis-server (manage.py up starts the embedded one); if "
        "it runs, correct address and password in CELERY_BROKER_URL"
    )


def _start_rabbitmq() -> str:
    return _(
        "start it: systemctl start rabbitmq-server; if it runs, correct address and password in "
        "CELERY_BROKER_URL"
    )


def _refusing(facts: BrokerFacts, cause: Cause) -> Finding:
    about = {
        "address": facts.address,
        "why": WHY[cause],
        "error": (facts.refusal or facts.error).rstrip("."),
    }
    return problem(
        _(
            "%(address)s takes no messages: %(why)s (it says: %(error)s); nothing is lost: events "
            "are accepted and run when it takes messages again"
        )
        % about,
        str(CURES[cause]),
    )


def _full(facts: BrokerFacts) -> Finding:
    return problem(
        _(
            "%(address)s has filled its memory to %(percent).0f%% of maxmemory and soon refuses "
            "messages; nothing is lost: events are accepted and run when it takes messages again"
        )
        % {"address": facts.address, "percent": (facts.memory_used or 0) * 100},
        str(CURES[Cause.MEMORY]),
    )


def durability(situation: Situation) -> Finding:
    """Neither a restart nor a full memory loses messages."""
    facts = situation.broker
    if facts.driver == "amqp":
        text = _("RabbitMQ keeps our queues and messages on disk over a restart")
        return ok(text)
    if facts.error or facts.append_only is None or facts.maxmemory_policy is None:
        return unknown(_("the broker could not be asked what it keeps"))
    wrong, cure = _what_it_loses(facts)
    if not wrong:
        return ok(_("the broker keeps messages over a restart and drops none"))
    return warning(
        _("%(wrong)s; the relay sends lost ones again, later") % {"wrong": listed(wrong)},
        _("in redis-cli: %(commands)s; and the same in redis.conf") % {"commands": ", ".join(cure)},
    )


def _what_it_loses(facts: BrokerFacts) -> tuple[list[str], list[str]]:
    wrong, cure = [], []
    if not facts.append_only:
        wrong.append(_("a restart loses its messages (appendonly is off)"))
        cure.append("CONFIG SET appendonly yes")
    if facts.maxmemory_policy != "noeviction":
        wrong.append(
            _("when full it drops messages (maxmemory-policy %(policy)s)")
            % {"policy": facts.maxmemory_policy}
        )
        cure.append("CONFIG SET maxmemory-policy noeviction")
    return wrong, cure


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
