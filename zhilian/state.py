"""Where the project keeps its state, and how that directory is created."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

# sun_path has 108 bytes on Linux, 104 elsewhere; kombu and valkey add nothing to it.
LONGEST_SOCKET = 99
OURS = {"secret-key", "zhilian.sqlite3"}
"""Files that a used state directory contains."""


def make_var(var: Path) -> Path:
    """Create the state directory, readable by its owner alone, and return it.

    If a directory was created beforehand and is open to all, as `mkdir` leaves it, it is closed. A
    directory that holds other things as well (a home, `/tmp`), or that a group may enter on
    purpose, stays as it is.
    """
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = var.stat()
    if status.st_mode & 0o007 and status.st_uid == os.getuid() and _is_ours_alone(var):
        var.chmod(0o700)
    return var


def _is_ours_alone(var: Path) -> bool:
    names = {path.name for path in var.iterdir()}
    return not names or bool(names & OURS)


def secret_key(var: Path) -> str:
    """The key in `var`/secret-key, created once.

    Web, workers and beat start at the same moment. So each writes its own file and links it into
    place. One link succeeds, and all read its complete content.
    """
    path = var / "secret-key"
    if not path.exists():
        from django.core.management.utils import get_random_secret_key  # `up` runs without Django

        mine = var / f".secret-key-{os.getpid()}"
        mine.unlink(missing_ok=True)
        with open(os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(get_random_secret_key())
        try:
            os.link(mine, path)
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return path.read_text()


def broker_socket(directory: Path) -> Path:
    """The embedded broker's unix socket for the state in `directory`.

    A socket's path is limited to about 100 bytes. A deeper checkout gets a socket in its user's own
    directory under the system's temporary one. A hash of `directory` names it, so every process of
    that checkout finds the same.
    """
    path = directory / "broker.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return _private_temporary_directory() / f"{name}.sock"


def broker_url(directory: Path, *, database: int = 1) -> str:
    """The embedded broker's address as Celery writes it."""
    return f"redis+socket://{quote(str(broker_socket(directory)))}?virtual_host={database}"


def _private_temporary_directory() -> Path:
    path = Path(tempfile.gettempdir(), f"zhilian-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or path.is_symlink():
        raise PermissionError(f"{path} is not a directory of this user's alone; remove it.")
    return path
