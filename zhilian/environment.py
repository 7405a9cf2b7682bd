"""Reads the process environment, once and strictly.

`settings.py` is the only caller. A value that does not parse, or a `ZHILIAN_` name that nothing
reads (a typing error), stops the start with a message instead of being ignored.

pydantic checks the values. pydantic-settings would only do the reading, in 40 ms more: it ignores
unknown names and a missing file, and replaces `${…}`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import environ
from django.core.exceptions import ImproperlyConfigured
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
LOG_LEVELS = ("CRITICAL", "DEBUG", "ERROR", "INFO", "WARNING")
LOCAL_HOSTS = ["localhost", "127.0.0.1"]

# Parsers of variables. An error's text follows the variable's name in the message.


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError(f"={text!r}: write true or false")
    return word in TRUE


def _positive(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"={text!r}: write a whole number, 1 or more")
    return int(text)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _hosts(text: str) -> list[str]:
    return _listed(text) or LOCAL_HOSTS


def _log_level(text: str) -> str:
    level = text.strip().upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"={level!r}: one of {', '.join(LOG_LEVELS)}")
    return level


def _url(*schemes: str) -> PlainValidator:
    def check(text: str) -> str:
        scheme, separator, _ = text.strip().partition("://")
        if not separator or scheme not in schemes:
            # The URL itself is not repeated: it may hold a password.
            raise ValueError(f" must begin with {', '.join(f'{each}://' for each in schemes)}")
        return text.strip()

    return PlainValidator(check)


def _result_backend(text: str) -> str:
    backend = text.strip()
    if backend == "django-db" or backend.startswith(("redis://", "rediss://")):
        return backend
    raise ValueError(" must be django-db or begin with redis:// or rediss://")


Boolean = Annotated[bool, PlainValidator(_boolean)]
Positive = Annotated[int, PlainValidator(_positive)]


class Environment(BaseModel):
    """The values of the environment. None means 'not set: the project decides'."""

    model_config = ConfigDict(frozen=True)

    var: Path = Field(alias="ZHILIAN_VAR")
    debug: Boolean = Field(False, alias="ZHILIAN_DEBUG")
    secret_key: str | None = Field(None, alias="ZHILIAN_SECRET_KEY")
    secret_key_fallbacks: Annotated[list[str], PlainValidator(_listed)] = Field(
        [], alias="ZHILIAN_SECRET_KEY_FALLBACKS"
    )
    """Former keys: what they have signed or encrypted can still be read."""
    allowed_hosts: Annotated[list[str], PlainValidator(_hosts)] = Field(
        LOCAL_HOSTS, alias="ZHILIAN_ALLOWED_HOSTS"
    )
    csrf_trusted_origins: Annotated[list[str], PlainValidator(_listed)] = Field(
        [], alias="ZHILIAN_CSRF_TRUSTED_ORIGINS"
    )
    https: Boolean = Field(False, alias="ZHILIAN_HTTPS")
    log_level: Annotated[str, PlainValidator(_log_level)] = Field("INFO", alias="ZHILIAN_LOG_LEVEL")
    database_url: Annotated[str | None, _url("postgres", "postgresql", "sqlite")] = Field(
        None, alias="DATABASE_URL"
    )
    database_connect_seconds: Positive = Field(5, alias="ZHILIAN_DATABASE_CONNECT_SECONDS")
    """How long a connection to PostgreSQL may take to be made."""
    broker_url: Annotated[
        str | None, _url("amqp", "amqps", "redis", "redis+socket", "rediss", "sentinel")
    ] = Field(None, alias="CELERY_BROKER_URL")
    cache_url: Annotated[str | None, _url("redis", "rediss", "unix")] = Field(
        None, alias="ZHILIAN_CACHE_URL"
    )
    email_url: Annotated[str | None, _url("smtp", "smtp+tls", "smtps")] = Field(
        None, alias="ZHILIAN_EMAIL_URL"
    )
    email_from: str | None = Field(None, alias="ZHILIAN_EMAIL_FROM")
    result_backend: Annotated[str, PlainValidator(_result_backend)] = Field(
        "django-db", alias="CELERY_RESULT_BACKEND"
    )
    """For the results of plain tasks: the database, or Redis."""

    # Tuning of workers, which depends on the machine and on the work. For each setting,
    # docs/reference/settings.md has what the Celery guide proposes, and why. Durations are whole
    # seconds.
    concurrency: Annotated[int | None, PlainValidator(_positive)] = Field(
        None, alias="CELERY_WORKER_CONCURRENCY"
    )
    """Processes of a worker unless its command says otherwise; None: one for each core."""
    prefetch_multiplier: Positive = Field(1, alias="CELERY_WORKER_PREFETCH_MULTIPLIER")
    """Messages that a worker takes for each of its processes, including those in progress."""
    soft_time_limit: Positive = Field(240, alias="CELERY_TASK_SOFT_TIME_LIMIT")
    """After this, an exception interrupts the task: a failed attempt."""
    time_limit: Positive = Field(300, alias="CELERY_TASK_TIME_LIMIT")
    """After this, the process is ended: a lost delivery."""
    max_tasks_per_child: Positive = Field(1000, alias="CELERY_WORKER_MAX_TASKS_PER_CHILD")
    """After this many messages, a process is replaced by a new one."""

    neural: dict[str, str]
    """Settings of the ledger, from NEURAL_*; `neural.kit.conf` checks names and types."""

    @model_validator(mode="after")
    def _soft_limit_strikes_first(self) -> Self:
        if self.soft_time_limit >= self.time_limit:
            raise ValueError(
                f"CELERY_TASK_SOFT_TIME_LIMIT ({self.soft_time_limit} s) must be below "
                f"CELERY_TASK_TIME_LIMIT ({self.time_limit} s): the hard limit would always "
                "strike first"
            )
        return self


VARIABLES = [str(field.alias) for field in Environment.model_fields.values() if field.alias]
KNOWN = {name for name in VARIABLES if name.startswith("ZHILIAN_")} | {"ZHILIAN_ENV_FILE"}
_OF_TESTS = {"ZHILIAN_TEST_DATA"}
"""Not settings: tests and benchmarks read them themselves."""


def read(*, environment: Mapping[str, str], base_dir: Path) -> Environment:
    """Parse `environment`, completed by the `.env` file beside `manage.py` if there is one.

    `ZHILIAN_ENV_FILE` names another file; set but empty, it means none. The process environment
    overrides the file. `<NAME>_FILE` names a file that holds the value of a variable, as
    containers get their secrets. Raises ImproperlyConfigured.
    """
    values = _with_secrets({**_file_values(environment, base_dir), **environment})
    _refuse_unknown(values)
    given: dict[str, Any] = {
        name: values[name] for name in VARIABLES if values.get(name, "").strip()
    }
    given["ZHILIAN_VAR"] = Path(base_dir, given.get("ZHILIAN_VAR", "var")).absolute()
    given["neural"] = {
        name.removeprefix("NEURAL_").lower(): value
        for name, value in values.items()
        if name.startswith("NEURAL_")
    }
    try:
        return Environment.model_validate(given)
    except ValidationError as invalid:
        error = invalid.errors()[0]
        name = "".join(map(str, error["loc"]))
        raise ImproperlyConfigured(
            f"{name}{error.get('ctx', {}).get('error', ': ' + error['msg'])}."
        ) from None


def _file_values(environment: Mapping[str, str], base_dir: Path) -> dict[str, str]:
    name = environment.get("ZHILIAN_ENV_FILE", ".env")
    path = Path(base_dir, name)
    if not name or (not path.is_file() and "ZHILIAN_ENV_FILE" not in environment):
        return {}
    if not path.is_file():
        raise ImproperlyConfigured(f"ZHILIAN_ENV_FILE: there is no file {path}")
    return _parse_file(path)


def _with_secrets(values: Mapping[str, str]) -> dict[str, str]:
    found = dict(values)
    given = [name.removesuffix("_FILE") for name in values if name.endswith("_FILE")]
    for name in given:
        if name not in VARIABLES and not name.startswith("NEURAL_"):
            continue
        if not (path := found.pop(f"{name}_FILE")):
            continue
        if found.get(name, "").strip():
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: write one of them.")
        try:
            found[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE: {path} cannot be read: {error}") from None
    return found


def _parse_file(path: Path) -> dict[str, str]:
    class FromFile(environ.Env):
        # read_env writes into ENVIRON, which is os.environ unless replaced: the file's values
        # must not leak into the environment of child processes.
        ENVIRON: dict[str, str] = {}

    FromFile.read_env(str(path))
    return FromFile.ENVIRON


def _refuse_unknown(values: Mapping[str, str]) -> None:
    unknown = sorted(n for n in values if n.startswith("ZHILIAN_") and n not in KNOWN | _OF_TESTS)
    if unknown:
        raise ImproperlyConfigured(
            f"Unknown setting {', '.join(unknown)}. Known: {', '.join(sorted(KNOWN))}."
        )
