"""The environments of the peers: one of this Python, and one of 3.12 for those that need it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
REQUIREMENTS = FOLDER / "requirements.txt"
NEWER = (3, 12)
_VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({each.name.lower().replace("_", "-"): each.version for each in distributions()}))
"""


def python_of_peers(*, newer: bool = False) -> Path:
    """The interpreter with the peers' packages."""
    other = newer and sys.version_info < NEWER
    return FOLDER / (".venv-3.12" if other else ".venv") / "bin" / "python"


def install(*, newer: bool = False) -> bool:
    """Install the peers, unless exactly these versions are installed already. False if they need
    a newer Python than there is."""
    python = python_of_peers(newer=newer)
    folder, wanted = python.parents[1], REQUIREMENTS.read_text()
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    creator = _python_312() if newer and sys.version_info < NEWER else sys.executable
    if not creator:
        return False
    print(f"peers: installing into benchmarks/peers/{folder.name}", file=sys.stderr)
    subprocess.run([creator, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
    return True


def _python_312() -> str | None:
    """Python 3.12 of the path or of pyenv, whose command on the path may refuse."""
    of_pyenv = sorted(Path.home().glob(".pyenv/versions/3.12.*/bin/python"))
    for each in (shutil.which("python3.12"), *of_pyenv):
        if each and not subprocess.run([each, "--version"], capture_output=True).returncode:
            return str(each)
    return None


def versions(python: Path) -> dict[str, str]:
    """The packages that an interpreter has."""
    done = subprocess.run([str(python), "-c", _VERSIONS], stdout=subprocess.PIPE, check=True)
    return dict(sorted(json.loads(done.stdout).items()))
