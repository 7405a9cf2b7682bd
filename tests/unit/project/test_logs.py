"""One line a record, key=value, which no caller's text can break."""

import logging
import re
import sys

from zhilian.logs import KeyValueFormatter


def line(message: str, *arguments: object, **extra: object) -> str:
    record = logging.makeLogRecord(
        {"name": "neural.ledger", "levelno": 20, "levelname": "INFO", "msg": message,
         "args": arguments, **extra}
    )  # fmt: skip
    return KeyValueFormatter().format(record)


def test_a_line_tells_time_level_logger_process_and_message():
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info logger=neural\.ledger pid=\d+ "
        r"run\.succeeded run=7",
        line("run.succeeded run=%s", 7),
    )


def test_extras_follow_as_key_and_value():
    assert line("run.dead", task="a.b", reason="no such dish").endswith(
        'run.dead task=a.b reason="no such dish"'
    )


def test_a_line_break_in_a_message_cannot_forge_a_line():
    assert "\n" not in line("store=%s", "x\nlevel=error forged", note="a\nb")


def test_chinese_stays_readable():
    assert line("dish.updated", dish="红烧肉").endswith("dish=红烧肉")


def test_a_line_is_bounded_whatever_a_caller_sends():
    try:
        raise ValueError("y" * 1_000_000 + " the end")
    except ValueError:
        told = line("path=%s", "x" * 1_000_000, note="z" * 1_000_000, exc_info=sys.exc_info())

    assert len(told) < 100_000
    assert "968005 characters" in told
    assert "Traceback" in told
    assert told.endswith("the end")
