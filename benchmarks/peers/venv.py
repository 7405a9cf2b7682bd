"""The peers' own venv: created once, and again when the requirements change."""

import json
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
REQUIREMENTS = FOLDER / "requirements.txt"
PEERS_PYTHON = FOLDER / ".venv" / "bin" / "python"
_STAMP = FOLDER / ".venv" / ".installed"
_VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({each.name.lower().replace("_", "-"): each.version for each in distributions()}))
"""


def make() -> None:
    """Install the peers, unless exactly these versions are installed already."""
    wanted = REQUIREMENTS.read_text()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return
    print("peers: installing into benchmarks/peers/.venv", file=sys.stderr)
    venv.create(FOLDER / ".venv", with_pip=True, clear=True)
    pip = [str(PEERS_PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True, stdout=sys.stderr)
    _STAMP.write_text(wanted)


def versions() -> dict[str, str]:
    """The installed versions."""
    command = [str(PEERS_PYTHON), "-c", _VERSIONS]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(sorted(json.loads(done.stdout).items()))
