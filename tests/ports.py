"""Ports of loopback for servers that tests start.

A port that the kernel picks for `bind(0)` may be given to an outgoing connection of any process
before the server listens on it, or while a test has stopped the server for a moment. So the ports
here lie below the range of outgoing connections, and each is given to one process at a time.
"""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_000
"""Below the ports that Linux gives to outgoing connections, unless somebody configured it."""

_given: set[int] = set()


def free_port() -> int:
    """A port on which nothing listens. It belongs to this process until its end."""
    numbers = range(LOWEST, min(HIGHEST, _first_of_connections()))
    for port in random.SystemRandom().sample(numbers, len(numbers)):
        if port not in _given and _is_free(port) and _is_nobodys(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no port is free in {numbers}")


def _first_of_connections() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except FileNotFoundError:  # not Linux
        return HIGHEST


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections that have ended are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _is_nobodys(port: int) -> bool:
    """Whether the port was given to no other process. Its byte of the file is locked from now on;
    such a lock ends with this process, and is not inherited."""
    try:
        fcntl.lockf(_locks(os.getpid()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _locks(process: int) -> int:
    # Never closed: to close it would end all locks of this process.
    path = Path(tempfile.gettempdir(), "zhilian-tests-ports.lock")
    return os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
