"""Why a broker that may well be running accepts no messages, and what to do about it."""

import enum
from collections.abc import Iterator

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Cause(enum.StrEnum):
    """Why a broker refuses, as told by its error, or by the lack of an answer."""

    UNREACHABLE = "unreachable"
    MEMORY = "memory"
    DISK = "disk"
    REPLICA = "replica"
    FEW_REPLICAS = "few replicas"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    LOADING = "loading"
    CLIENTS = "clients"
    ALARM = "alarm"
    OTHER = "other"


# By the name of the exception (of redis-py, py-amqp and amqp's replies), else by its words.
_NAMES = {
    "OutOfMemoryError": Cause.MEMORY,
    "ReadOnlyError": Cause.REPLICA,
    "MasterDownError": Cause.REPLICA,
    "AuthenticationError": Cause.LOGIN,
    "AuthenticationWrongNumberOfArgsError": Cause.LOGIN,
    "AccessRefused": Cause.LOGIN,
    "NoPermissionError": Cause.FORBIDDEN,
    "BusyLoadingError": Cause.LOADING,
}
_WORDS = {
    "MISCONF": Cause.DISK,
    "NOREPLICAS": Cause.FEW_REPLICAS,
    "max number of clients": Cause.CLIENTS,
}

WHY: dict[Cause, str | Promise] = {
    Cause.MEMORY: _("its memory is full (maxmemory)"),
    Cause.DISK: _("it cannot write its file, perhaps because its disk is full"),
    Cause.REPLICA: _("it is a read-only replica"),
    Cause.FEW_REPLICAS: _("it has fewer replicas than min-replicas-to-write asks for"),
    Cause.LOGIN: _("it does not take our name and password"),
    Cause.FORBIDDEN: _("its access list forbids what a broker is for"),
    Cause.LOADING: _("it is still reading its file"),
    Cause.CLIENTS: _("it has no room for another client (maxclients)"),
    Cause.ALARM: _("it answers, but confirms nothing: RabbitMQ has an alarm on (memory or disk)"),
    Cause.OTHER: _("it refuses"),
}

CURES: dict[Cause, str | Promise] = {
    Cause.MEMORY: _(
        "see what fills it: redis-cli --bigkeys; or give it more, in redis-cli: CONFIG SET "
        "maxmemory BYTES, and the same in redis.conf"
    ),
    Cause.DISK: _(
        "free space on its host: df -h; what failed: redis-cli INFO persistence, and its log"
    ),
    Cause.REPLICA: _(
        "let CELERY_BROKER_URL name the primary, or make this one the primary, in redis-cli: "
        "REPLICAOF NO ONE"
    ),
    Cause.FEW_REPLICAS: _(
        "start its replicas, or do without, in redis-cli: CONFIG SET min-replicas-to-write 0"
    ),
    Cause.LOGIN: _(
        "correct address and password in CELERY_BROKER_URL, then restart web, workers and beat"
    ),
    Cause.FORBIDDEN: _(
        "see what it refused, in redis-cli: ACL LOG; then allow it: ACL SETUSER NAME ~* &* +@all"
    ),
    Cause.LOADING: _("wait; how far it is: redis-cli INFO persistence"),
    Cause.CLIENTS: _(
        "see who is connected: redis-cli CLIENT LIST; or let in more, in redis-cli: CONFIG SET "
        "maxclients NUMBER"
    ),
    Cause.ALARM: _("see which: rabbitmq-diagnostics alarms; free memory or disk on its host"),
    Cause.OTHER: _("do what it says; its own log may say more"),
}


def cause_of(error: BaseException) -> Cause:
    """The cause of an error on connecting."""
    for each in _chain(error):
        if type(each).__name__ in _NAMES:
            return _NAMES[type(each).__name__]
        for words, cause in _WORDS.items():
            if words in str(each):
                return cause
    return Cause.UNREACHABLE


def cause_of_refusal(error: BaseException) -> Cause:
    """The cause of an error on writing, on a connection that answered before."""
    if isinstance(error, TimeoutError):
        return Cause.ALARM
    cause = cause_of(error)
    return Cause.OTHER if cause == Cause.UNREACHABLE else cause


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
