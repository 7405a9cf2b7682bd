"""Trace context (https://www.w3.org/TR/trace-context/), kept with an event's runs."""

import re
from typing import Any

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e\t]{1,512}")
_INVALID_VERSION = "ff"


def trace_headers(traceparent: Any, tracestate: Any = None) -> dict[str, str]:
    """The headers for the messages of the runs; empty unless ``traceparent`` is valid.

    An invalid one is ignored, as the recommendation says, and so is ``tracestate`` with it. That of
    a later version is kept in the form of version 00, as far as that knows it.
    """
    parts = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if parts is None:
        return {}
    version, trace, parent, flags, more = parts.groups()
    if version == _INVALID_VERSION or not trace.strip("0") or not parent.strip("0"):
        return {}
    if version == "00" and more is not None:
        return {}
    headers = {"traceparent": f"00-{trace}-{parent}-{flags}"}
    if isinstance(tracestate, str) and _TRACESTATE.fullmatch(tracestate):
        headers["tracestate"] = tracestate
    return headers
