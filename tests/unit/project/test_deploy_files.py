"""What lies in deploy/ is well-formed and fits the project, as far as its own tools can tell."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zhilian import environment

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.service"))

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")


def supervised() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(" ;",))
    parser.read(DEPLOY / "supervisor" / "zhilian.conf")
    return parser


def commands_of_units() -> dict[str, str]:
    units = {name: (DEPLOY / "systemd" / name).read_text() for name in UNITS}
    return {
        name.removeprefix("zhilian-").removesuffix(".service"): line
        for name, text in units.items()
        for line in re.findall(r"^ExecStart=(.*)$", text, re.M)
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The units as they would be installed, with the paths of this checkout."""
    directory = tmp_path_factory.mktemp("units")
    shutil.copytree(DEPLOY / "systemd", directory, dirs_exist_ok=True)
    for unit in directory.glob("*.service"):
        text = unit.read_text().replace("/opt/zhilian/.venv/bin/python", sys.executable)
        unit.write_text(text.replace("/opt/zhilian", str(ROOT)))
    return directory


def analyse(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@needs_systemd
def test_systemd_finds_nothing_to_complain_of(installed):
    units = [path.name for path in installed.iterdir() if path.is_file()]

    said = analyse("verify", "--man=no", *units, directory=installed)

    assert said.stderr + said.stdout == ""
    assert said.returncode == 0


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_can_touch_little_of_the_machine(installed, unit):
    """Exposure 2 of 10 at most; without the hardening it is 9.0."""
    said = analyse("security", "--offline=true", "--threshold=20", unit, directory=installed)

    assert said.returncode == 0, said.stdout[-300:]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_runs_as_its_user_in_the_checkout_and_keeps_its_state(unit):
    text = (DEPLOY / "systemd" / unit).read_text()

    for line in ("User=zhilian", "WorkingDirectory=/opt/zhilian", "StateDirectory=zhilian"):
        assert f"\n{line}\n" in text


@pytest.mark.parametrize("name", ["worker-high", "worker-all"])
def test_a_worker_has_longer_to_stop_than_it_takes(name):
    from django.conf import settings

    unit = (DEPLOY / "systemd" / f"zhilian-{name}.service").read_text()
    program = supervised()[f"program:{name}"]
    needed = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT + 10

    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]) >= needed
    assert program.getint("stopwaitsecs") >= needed
    assert "\nKillMode=mixed\n" in unit
    assert program["stopsignal"] == "TERM"
    assert "stopasgroup" not in program


def test_beat_has_time_to_say_that_it_has_ended():
    unit = (DEPLOY / "systemd" / "zhilian-beat.service").read_text()

    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]) >= 30
    assert supervised()["program:beat"].getint("stopwaitsecs") >= 30


def test_supervisor_runs_what_the_units_run():
    parser = supervised()
    programs = {
        section.removeprefix("program:"): parser[section]["command"]
        for section in parser.sections()
        if section.startswith("program:")
    }
    units = commands_of_units()

    assert parser["group:zhilian"]["programs"].split(",") == list(programs)
    assert programs == {name: units[name] for name in programs}
    assert set(units) - set(programs) == {"flower", "prune"}


def test_the_example_environment_is_read_without_complaint():
    values = environment.read(
        environment={"ZHILIAN_ENV_FILE": str(DEPLOY / "env.example")}, base_dir=ROOT
    )

    assert values.https
    assert values.var == Path("/var/lib/zhilian")
    assert values.broker_url.endswith("/1")
    assert values.secret_key is None  # an example's key would be everybody's


def test_the_proxy_sets_the_headers_that_the_settings_believe():
    text = (DEPLOY / "nginx" / "zhilian.conf").read_text()

    assert re.search(r"proxy_set_header X-Forwarded-Proto +\$scheme;", text)
    assert re.search(r"proxy_set_header Host +\$host;", text)


@needs_nginx
def test_nginx_accepts_its_configuration(tmp_path):
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    certificate += ["-subj", "/CN=neural.example.com", "-keyout", "privkey.pem"]
    subprocess.run(
        [*certificate, "-out", "fullchain.pem"], cwd=tmp_path, check=True, capture_output=True
    )
    site = (DEPLOY / "nginx" / "zhilian.conf").read_text()
    (tmp_path / "site.conf").write_text(site.replace("/etc/ssl/zhilian", str(tmp_path)))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; include {tmp_path}/site.conf; }}"
    )

    said = subprocess.run(
        [
            "nginx",
            "-t",
            "-q",
            "-e",
            "stderr",
            "-p",
            str(tmp_path),
            "-c",
            str(tmp_path / "nginx.conf"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
