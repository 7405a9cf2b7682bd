"""A RabbitMQ node for one test: an alarm on the shared one would affect everybody."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.ports import free_port
from tests.watching import wait_until

# Debian's programs of the same names in /usr/sbin switch to another user first.
PROGRAMS = "/usr/lib/rabbitmq/bin"


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{PROGRAMS}:{os.environ.get('PATH', '')}")


class Node:
    """A node on free ports, with its files in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.port, distribution = free_port(), free_port()
        (directory / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        self._log = directory / "out"
        self._environment = {
            **os.environ,
            "HOME": str(directory),  # where Erlang keeps its cookie
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        }
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [program("rabbitmq-server")], env=self._environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: "Starting broker... completed" in self._log.read_text(), 240)

    def stop(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def alarm(self) -> None:
        """Raise the memory alarm: the node accepts no more messages from publishers."""
        self._limit_memory("1")

    def calm(self) -> None:
        self._limit_memory("2GB")

    def _limit_memory(self, size: str) -> None:
        command = ["set_vm_memory_high_watermark", "absolute", size]
        subprocess.run(
            [program("rabbitmqctl"), *command],
            env=self._environment, capture_output=True, check=True, timeout=240,
        )  # fmt: skip
