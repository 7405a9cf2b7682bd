"""What the robots of chat groups have in common: their answers are JSON with a code.

A refusal comes with status 200, too. Imports no Django.
"""

import json
from collections.abc import Mapping
from typing import Any

from neural.monitoring.alerts.channels.base import HttpKind, Judgement, Verdict

JSON = {"Content-Type": "application/json; charset=utf-8"}
BUSY = 429


class Robot(HttpKind):
    """A robot of a chat group. Its address contains its key."""

    code_field: str
    text_field: str
    waits: Mapping[int, float]
    """Codes that mean 'later', and after how many seconds."""
    refusals: frozenset[int]
    """Codes that mean a wrong address, secret or setting of the robot."""

    def judge(self, status: int, body: bytes) -> Judgement:
        answered = _parsed(body)
        code = answered.get(self.code_field)
        if not isinstance(code, int) or isinstance(code, bool):
            return Judgement(
                verdict=Verdict.LATER,
                code=f"HTTP {status}",
                answer=body.decode("utf-8", "replace"),
                wait_seconds=60 if status == BUSY else None,
            )
        told: dict[str, Any] = {"code": str(code), "answer": str(answered.get(self.text_field, ""))}
        if code == 0 and 200 <= status < 300:
            return Judgement(verdict=Verdict.SENT, **told)
        if code in self.refusals:
            return Judgement(verdict=Verdict.MISCONFIGURED, **told)
        return Judgement(verdict=Verdict.LATER, wait_seconds=self.waits.get(code), **told)


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
