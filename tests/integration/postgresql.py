"""A PostgreSQL server that a test may crash."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from tests.ports import HOST, free_port


def programs() -> Path | None:
    """The directory with the programs of the newest PostgreSQL here; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return found[-1].parent if found else None


def _version(program: Path) -> int:
    return int(program.parent.parent.name)


class PostgreSQLServer:
    """A server in a directory of its own, with the tables of a database on another server.

    What was committed without waiting for the disk stays in its memory for ten seconds, so that a
    crash loses it.
    """

    def __init__(self, directory: Path, bin_directory: Path) -> None:
        self.directory, self._programs = directory, bin_directory
        self.port = free_port()
        directory.mkdir()
        if os.getuid() == 0:  # a server refuses to run as root
            shutil.chown(directory, "postgres")
            for parent in directory.parents:
                if parent.owner() == "root" and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8")

    @property
    def url(self) -> str:
        return f"postgres://postgres@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        settings = f"-h {HOST} -p {self.port} -k {self.directory}"
        settings += " -c wal_writer_delay=10s -c full_page_writes=off"
        self._run("pg_ctl", "-w", "-l", str(self.directory / "log"), "-o", settings, "start")

    def crash(self) -> None:
        """End all of its processes at once, without a checkpoint."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def restore(self, base: Path) -> None:
        """Start with a base backup as the data directory, and wait until it may be written."""
        shutil.rmtree(self.directory)
        shutil.copytree(base, self.directory)
        for socket in self.directory.glob(".s.*"):  # and its lock
            socket.unlink()
        if os.getuid() == 0:
            for path in (self.directory, *self.directory.rglob("*")):
                shutil.chown(path, "postgres")
        self.directory.chmod(0o700)
        self.start()
        with self.connect() as connected:
            while connected.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                time.sleep(0.1)

    def copy_tables_from(self, url: str) -> None:
        """Make the tables, and the rows that migrations made, of the database at this URL."""
        dump = [self._programs / "pg_dump", "--no-owner", url]
        with subprocess.Popen(dump, stdout=subprocess.PIPE) as dumped:
            restore = [self._programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", self.url]
            subprocess.run(restore, stdin=dumped.stdout, stdout=subprocess.DEVNULL, check=True)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.directory), *arguments]
        if os.getuid() == 0:
            identity = ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
            command = ["setpriv", *identity, *command]
        subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
