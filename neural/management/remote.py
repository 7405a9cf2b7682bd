"""The options of `submit_event` for sending to another deployment, and how it ends."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from neural.management.line_input import InputChanged, Position
from neural.management.sending import Sender, checked_url

WRONG_USAGE = 2
AWAY = 3
KEY_VARIABLE = "ZN_API_KEY"
GIVE_UP_SECONDS = 600


def position_of(name: str | None, given: str | None, url: str) -> Position:
    """Where to resume at this server: only a file has a position of its own."""
    if given is None and name in (None, "-"):
        return Position(None)
    try:
        return Position.read(Path(given or f"{name}.position"), url)
    except (InputChanged, OSError) as error:
        raise CommandError(f"--position: {error}", returncode=WRONG_USAGE) from error


def sender_of(options: Mapping[str, Any], notify: Callable[[str], None]) -> Sender:
    """The sender for the server and key that the options or the environment name."""
    key = options["key"] or os.environ.get(KEY_VARIABLE, "")
    try:
        if key.startswith("@"):
            key = Path(key[1:]).read_text().strip()
        url = checked_url(options["url"])
    except (OSError, ValueError) as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
    if not re.fullmatch(r"[!-~]+", key):
        raise CommandError(
            f"--key: missing, or no key. Write --key @file, or set {KEY_VARIABLE}",
            returncode=WRONG_USAGE,
        )
    return Sender(
        url=url,
        key=key,
        backfill=options["backfill"],
        give_up_seconds=options["give_up_seconds"],
        notify=notify,
    )


def stopped_sending(error: BaseException, position: Position) -> CommandError:
    """The error after an input that was not sent to its end; it says how to resume."""
    why = "stopped" if isinstance(error, KeyboardInterrupt) else str(error)
    how = (
        "type the same again to resume"
        if position.path
        else "send the same input again: what is recorded already counts as a duplicate"
    )
    return CommandError(
        f"{why}. Everything up to line {position.lines} is answered; {how}", returncode=AWAY
    )
