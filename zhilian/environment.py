"""The process environment, read once and strictly.

`settings.py` is the only caller. A value that does not parse, or a `ZHILIAN_` name that
nothing reads (a slip of the pen), stops the start with a sentence instead of being ignored.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from zhilian import tuning

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
BROKER_SCHEMES = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps"}
CACHE_SCHEMES = {"redis", "rediss", "unix"}
DATABASE_SCHEMES = {"sqlite", "postgres", "postgresql"}
LOG_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
KNOWN = {
    "ZHILIAN_ALLOWED_HOSTS",
    "ZHILIAN_CACHE_URL",
    "ZHILIAN_CSRF_TRUSTED_ORIGINS",
    "ZHILIAN_DEBUG",
    "ZHILIAN_ENV_FILE",
    "ZHILIAN_HTTPS",
    "ZHILIAN_LOG_LEVEL",
    "ZHILIAN_SECRET_KEY",
    "ZHILIAN_VAR",
}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the environment says. None means 'not set: the project decides'."""

    var: Path
    debug: bool
    secret_key: str | None
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    https: bool
    log_level: str
    database_url: str | None
    broker_url: str | None
    cache_url: str | None
    result_backend: str
    tuning: tuning.Tuning
    neural: dict[str, str]
    """Settings of the ledger, from NEURAL_*; `neural.conf` checks names and types."""


def read(*, environment: Mapping[str, str], base_dir: Path) -> Environment:
    """Parse `environment`, completed by the `.env` file beside `manage.py` where there is one.

    `ZHILIAN_ENV_FILE` names another file; set but empty it means none. What the process
    environment sets wins over the file. Raises ImproperlyConfigured.
    """
    values = {**_file_values(environment, base_dir), **environment}
    _refuse_unknown(values)
    return Environment(
        var=Path(base_dir, values.get("ZHILIAN_VAR") or "var").absolute(),
        debug=_boolean(values, "ZHILIAN_DEBUG"),
        secret_key=values.get("ZHILIAN_SECRET_KEY") or None,
        allowed_hosts=_listed(values, "ZHILIAN_ALLOWED_HOSTS") or ["localhost", "127.0.0.1"],
        csrf_trusted_origins=_listed(values, "ZHILIAN_CSRF_TRUSTED_ORIGINS"),
        https=_boolean(values, "ZHILIAN_HTTPS"),
        log_level=_log_level(values),
        database_url=_url(values, "DATABASE_URL", DATABASE_SCHEMES),
        broker_url=_url(values, "CELERY_BROKER_URL", BROKER_SCHEMES),
        cache_url=_url(values, "ZHILIAN_CACHE_URL", CACHE_SCHEMES),
        result_backend=_result_backend(values),
        tuning=tuning.read(values),
        neural={
            name.removeprefix("NEURAL_").lower(): value
            for name, value in values.items()
            if name.startswith("NEURAL_")
        },
    )


def _file_values(environment: Mapping[str, str], base_dir: Path) -> dict[str, str]:
    name = environment.get("ZHILIAN_ENV_FILE", ".env")
    path = Path(base_dir, name)
    if not name or (not path.is_file() and "ZHILIAN_ENV_FILE" not in environment):
        return {}
    if not path.is_file():
        raise ImproperlyConfigured(f"ZHILIAN_ENV_FILE: there is no file {path}")
    return _parse_file(path)


def _parse_file(path: Path) -> dict[str, str]:
    class FromFile(environ.Env):
        # read_env writes into ENVIRON, which is os.environ unless replaced: the file's values
        # must not leak into the environment of child processes.
        ENVIRON: dict[str, str] = {}

    FromFile.read_env(str(path))
    return FromFile.ENVIRON


def _refuse_unknown(values: Mapping[str, str]) -> None:
    unknown = sorted(n for n in values if n.startswith("ZHILIAN_") and n not in KNOWN)
    if unknown:
        raise ImproperlyConfigured(
            f"Unknown setting {', '.join(unknown)}. Known: {', '.join(sorted(KNOWN))}."
        )


def _boolean(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "").strip().lower()
    if text in TRUE:
        return True
    if text in FALSE or not text:
        return False
    raise ImproperlyConfigured(f"{name}={values[name]!r}: write true or false.")


def _listed(values: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in values.get(name, "").split(",") if part.strip()]


def _log_level(values: Mapping[str, str]) -> str:
    level = values.get("ZHILIAN_LOG_LEVEL", "").strip().upper() or "INFO"
    if level not in LOG_LEVELS:
        raise ImproperlyConfigured(
            f"ZHILIAN_LOG_LEVEL={level!r}: one of {', '.join(sorted(LOG_LEVELS))}."
        )
    return level


def _url(values: Mapping[str, str], name: str, schemes: set[str]) -> str | None:
    url = values.get(name, "").strip()
    if not url:
        return None
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in schemes:
        # The URL itself is not repeated: it may hold a password.
        raise ImproperlyConfigured(
            f"{name} must begin with {', '.join(s + '://' for s in sorted(schemes))}."
        )
    return url


def _result_backend(values: Mapping[str, str]) -> str:
    """Results of plain tasks in the database or in Redis."""
    backend = values.get("CELERY_RESULT_BACKEND", "").strip() or "django-db"
    if backend == "django-db" or backend.startswith(("redis://", "rediss://")):
        return backend
    raise ImproperlyConfigured(
        "CELERY_RESULT_BACKEND must be django-db or begin with redis:// or rediss://."
    )


def database(*, url: str | None, var: Path, base_dir: Path) -> dict[str, Any]:
    """Django's DATABASES entry for `url`; without one, SQLite in `var`.

    Every SQLite database gets the same options, however it was named.
    """
    if url is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": var / "zhilian.sqlite3",
            **_sqlite(var),
        }
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config["ENGINE"] != "django.db.backends.sqlite3":
        # A web thread or worker child keeps its connection, and asks first whether it is
        # alive: without the question, every task after a database restart fails once.
        return {
            **config,
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {**_impatience_with_the_gone(), **_PREPARED, **config.get("OPTIONS", {})},
        }
    if config["NAME"] in ("", ":memory:"):
        raise ImproperlyConfigured(
            "DATABASE_URL: an in-memory database cannot be shared by web and workers."
        )
    # Relative to the project, not to wherever a process happened to be started.
    return {**config, "NAME": Path(base_dir, config["NAME"]), **_sqlite(var)}


def _impatience_with_the_gone() -> dict[str, Any]:
    """PostgreSQL ends the transaction of a host that froze or lost its power: otherwise its
    locks would hold up whoever starts its runs again, for hours. 45 s: such runs start again
    within 60 s of the fault. Atomic work is well inside; what is not, is two-step."""
    return {
        "options": "-c idle_in_transaction_session_timeout=45s -c tcp_keepalives_idle=20 "
        "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
        "keepalives_idle": 20,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


# The ledger's own statements, the same hundreds of times a second, are planned once.
_PREPARED = {"prepare_threshold": 5}


def _sqlite(var: Path) -> dict[str, Any]:
    return {
        "OPTIONS": {
            # A transaction that begins as a reader and then writes fails at once with
            # 'database is locked' when somebody else wrote in between; IMMEDIATE waits.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # FULL: 'accepted' must survive a power cut; WAL with NORMAL does not promise it.
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            ),
        },
        # A file, because tests start real workers on it; one for each test run.
        "TEST": {"NAME": var / f"test-{os.getpid()}.sqlite3"},
    }
