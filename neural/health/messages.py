"""Probes of the broker, out of what it said (see ``broker``)."""

from celery import current_app

from neural.health.findings import Finding, ok, problem, unknown, warning
from neural.health.situation import Situation


def broker(situation: Situation) -> Finding:
    """It answers."""
    facts = situation.broker
    if facts.error:
        return problem(
            "broker",
            f"{facts.address} does not answer ({facts.error.rstrip('.')}); nothing is lost: events "
            "are accepted and run when it is back",
            "start it (manage.py up starts the embedded one), or correct CELERY_BROKER_URL",
        )
    return ok("broker", f"{facts.address} answers in {facts.seconds * 1000:.0f} ms")


def durability(situation: Situation) -> Finding:
    """A restart or a full memory costs no messages."""
    facts = situation.broker
    if facts.driver == "amqp":
        return ok("durability", "RabbitMQ keeps our queues and messages on disk over a restart")
    if facts.error or facts.append_only is None or facts.maxmemory_policy is None:
        return unknown("durability", "the broker could not be asked what it keeps")
    wrong, cure = [], []
    if not facts.append_only:
        wrong.append("a restart loses its messages (appendonly is off)")
        cure.append("CONFIG SET appendonly yes")
    if facts.maxmemory_policy != "noeviction":
        wrong.append(f"when full it drops messages (maxmemory-policy {facts.maxmemory_policy})")
        cure.append("CONFIG SET maxmemory-policy noeviction")
    if not wrong:
        return ok("durability", "the broker keeps messages over a restart and drops none")
    return warning(
        "durability",
        " and ".join(wrong) + "; the relay sends lost ones again, later",
        f"in redis-cli: {', '.join(cure)}; and the same in redis.conf",
    )


def unread_messages(situation: Situation) -> Finding:
    """Every message is in a queue that a living worker reads."""
    facts = situation.broker
    if facts.error:
        return unknown("messages", "the broker could not be asked what it holds")
    unread = {name: n for name, n in facts.messages.items() if name not in situation.readers}
    if not unread:
        total = sum(facts.messages.values())
        return ok("messages", f"{total:,} wait, all in queues that are read")
    told = ", ".join(f"{name} ({n:,})" for name, n in unread.items())
    return problem("messages", f"nobody reads: {told}", "; ".join(map(_cure, unread)))


def _cure(queue: str) -> str:
    if queue in current_app.amqp.queues:
        return f"type: manage.py worker --queues {queue}"
    return (
        f"{queue} is no queue of this project: correct who sends there, then type: "
        f"celery -A {current_app.main} purge --queues {queue}"
    )
