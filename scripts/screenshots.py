#!/usr/bin/env python
"""Takes the pictures of the console that the README shows: `make screenshots`.

Everything is the real thing, started by `manage.py up` on a database of its own in a temporary
directory: web, workers, beat and broker. Only the rows of the last two hours are made up, of a
chain of eight stores. The pictures go to docs/pictures.

It needs Chromium, a font for the Chinese picture, and a program that makes pictures small:
apt-get install chromium fonts-noto-cjk pngquant
"""

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW, HEIGHT = 1440, 390, 900
HOME = "/admin/"
SHOTS: dict[str, tuple[str, dict[str, Any]]] = {
    "home": (HOME, {}),
    "home-dark": (HOME, {"dark": True}),
    "home-zh": (HOME, {"language": "zh-CN"}),
    "home-phone": (HOME, {"width": NARROW}),
    "queues": ("/admin/neural/queuepause/", {}),
    "errors": ("/admin/neural_monitoring/errorgroup/", {}),
    "schedules": ("/admin/neural/schedulepolicy/", {}),
    "runs": ("/admin/neural/taskrun/?state=dead", {}),
}
"""Pictures by name: the page, and how it is looked at."""

PATIENCE_SECONDS = 180


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; end the program if it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"screenshots: not within {PATIENCE_SECONDS} s: {what}")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def everything(directory: Path, port: int) -> Iterator[None]:
    """`manage.py up` for as long as the block lasts."""
    command = [sys.executable, "manage.py", "up", "--port", str(port), "--concurrency", "1"]
    with (directory / "up.log").open("wb") as log:
        up = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until(lambda: up.poll() is not None or _answers(port), "the web server answers")
        if up.poll() is not None:
            sys.exit((directory / "up.log").read_text()[-3000:])
        yield
    finally:
        up.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            up.wait(60)
        up.kill()


def _answers(port: int) -> bool:
    with (
        suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/") as page,
    ):
        return page.status == 200
    return False


def counted() -> bool:
    """Whether relays have added up all that was made up, and examined since."""
    from neural.monitoring.models import Alert, ErrorGroup, Tally

    made = Alert.objects.open().filter(rule="dead_letters")
    return not Tally.objects.exists() and ErrorGroup.objects.count() >= 3 and made.exists()


def take(address: str, session: str) -> None:
    """Take every picture."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        sys.exit("screenshots: there is no Chromium: apt-get install chromium")
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (path, look) in SHOTS.items():
            context = browser.new_context(
                locale=look.get("language", "en"),
                color_scheme="dark" if look.get("dark") else "light",
                viewport={"width": look.get("width", WIDE), "height": HEIGHT},
            )
            context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
            page = context.new_page()
            page.goto(address + path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
            context.close()
            if shutil.which("pngquant"):
                make_small(PICTURES / f"{name}.png")
            size = (PICTURES / f"{name}.png").stat().st_size
            print(f"docs/pictures/{name}.png  {size // 1024} KB")
        browser.close()


def make_small(picture: Path) -> None:
    """Leave 64 colours, which is all that a page has."""
    command = ["pngquant", "--force", "--ext", ".png", "--strip", "--nofs", "64", str(picture)]
    subprocess.run(command, check=True)


def main() -> None:
    """Start everything, make up the rows, take the pictures."""
    with tempfile.TemporaryDirectory(prefix="zhilian-pictures-") as temporary:
        os.environ |= {
            "ZHILIAN_VAR": temporary,
            "ZHILIAN_ENV_FILE": "",
            "DJANGO_SETTINGS_MODULE": "zhilian.settings",
            "DJANGO_ALLOW_ASYNC_UNSAFE": "1",  # Playwright runs an event loop in this thread
            "NEURAL_EXAMINE_SECONDS": "3",
            "NEURAL_FIGURES_SECONDS": "2",
        }
        for name in ("DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            os.environ.pop(name, None)
        sys.path[:0] = [str(ROOT)]
        import django

        django.setup()
        import made_up_chain

        port = free_port()
        with everything(Path(temporary), port):
            wait_until(made_up_chain.is_awaited, "relays have begun to read")
            made_up_chain.make(now=dt.datetime.now(dt.UTC))
            wait_until(counted, "relays have added up")
            made_up_chain.take_on()
            take(f"http://127.0.0.1:{port}", made_up_chain.session())


if __name__ == "__main__":
    main()
