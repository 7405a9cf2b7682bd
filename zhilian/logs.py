"""Log format, one line a record: `2026-01-31T12:00:00.123Z level=info logger=neural.ledger …`."""

import json
import logging
import time
from typing import Any

from neural.personal.patterns import masked_text

# Attributes of every record; any others came through `extra`.
STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}

LONGEST_TEXT = 32_000
"""Characters of a message, an extra or a traceback: a caller may send a text of any length, and a
line of ours that names fifty runs has a few thousand."""


class KeyValueFormatter(logging.Formatter):
    """Time (UTC), level, logger, process and message, then the record's extras as key=value.

    Line breaks in a message are escaped, so nothing that a caller sends can forge a line. A
    traceback follows on its own lines. What is longer than one reads is cut.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        parts = [
            f"{moment}.{int(record.msecs):03d}Z",
            f"level={record.levelname.lower()}",
            f"logger={record.name}",
            f"pid={record.process}",
            _one_line(_cut(record.getMessage())),
            *(f"{key}={_value(value)}" for key, value in _extras(record).items()),
        ]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + _cut(self.formatException(record.exc_info))
        # The message of an exception may quote a guest's phone number.
        return masked_text(line) if record.levelno >= logging.WARNING else line


def without_result(record: logging.LogRecord) -> bool:
    """A filter that hides a task's return value, which may say what a guest ordered."""
    if isinstance(record.args, dict) and "return_value" in record.args:
        record.args = {**record.args, "return_value": "…"}
    return True


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    # Extras of Django and Celery are objects (request, connection), which do not belong in a log
    # line.
    simple = (str, int, float, bool, type(None))
    return {
        key: value
        for key, value in vars(record).items()
        if key not in STANDARD and isinstance(value, simple)
    }


def _cut(text: str) -> str:
    """The text; of a longer one the beginning, the end and how much is left out. It is masked as a
    whole before: half of a phone number looks like none."""
    if len(text) <= LONGEST_TEXT:
        return text
    text = masked_text(text)
    half = LONGEST_TEXT // 2
    return f"{text[:half]}… {len(text) - 2 * half} characters …{text[-half:]}"


def _value(value: Any) -> str:
    text = _cut(str(value))
    if text and not any(c.isspace() or c in '="' for c in text) and text.isprintable():
        return text
    return json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def configuration(level: str) -> dict[str, Any]:
    """Django's LOGGING: everything goes to standard error at `level` (DEBUG … CRITICAL)."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"without_result": {"()": lambda: without_result}},
        "formatters": {"line": {"()": "zhilian.logs.KeyValueFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "neural": {"level": level},
            # Django's own handlers would print each of its lines a second time.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            "celery.app.trace": {"filters": ["without_result"]},
            # At DEBUG these two log every query and every autoreload tick.
            "django.db.backends": {"level": "INFO"},
            "django.utils.autoreload": {"level": "INFO"},
        },
    }
