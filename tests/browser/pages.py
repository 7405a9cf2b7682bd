"""A browser window on the project, which notes what a page must not do."""

import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.watching import wait_until

WIDE, NARROW = 1440, 390
HEIGHT = 900
REFRESH_MILLISECONDS = 10_000
"""How often the console's pages refresh."""
OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe whose result depends on colours. A dark page has the same elements and texts as
a light one."""
SHOWN_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"
"""What refreshes a page's parts at once, as when the browser's tab is shown again."""
ALL_TEXTS = """() => {
  const found = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!["SCRIPT", "STYLE", "TEMPLATE"].includes(walker.currentNode.parentNode.nodeName))
      found.push(walker.currentNode.textContent);
  }
  for (const each of document.querySelectorAll("[title], [aria-label], [placeholder]"))
    for (const name of ["title", "aria-label", "placeholder"]) found.push(each.getAttribute(name));
  return found.filter(Boolean).map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


class Pages:
    """Opens pages of one user in one window.

    ``complaints`` are errors of scripts, requests to other hosts, and what the page's
    Content-Security-Policy has stopped.
    """

    def __init__(
        self,
        browser: Any,
        web: Any,
        session: str,
        *,
        language: str = "en",
        dark: bool = False,
        width: int = WIDE,
        hurried: bool = False,
    ) -> None:
        """``hurried`` is for ``wait_for``: the page's clock can be put forward."""
        self.address = f"http://127.0.0.1:{web.port}"
        self.complaints: list[str] = []
        self._context = browser.new_context(
            locale=language,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": HEIGHT},
        )
        self._context.add_cookies(
            [{"name": "sessionid", "value": session, "url": self.address}],
        )
        self.page = self._context.new_page()
        if hurried:
            self.page.clock.install()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        self._unanswered: set[Any] = set()
        self.page.on("request", lambda request: self._unanswered.add(request))
        self.page.on("requestfinished", lambda request: self._unanswered.discard(request))
        self.page.on("requestfailed", lambda request: self._unanswered.discard(request))

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"a request to {request.url}")

    def open(self, path: str, *, until: str = "load") -> Any:
        """Open a page and return it; it must answer with a status below 400. ``until`` says for
        what to wait; after ``commit``, the page is still loading."""
        answer = self.page.goto(f"{self.address}{path}", wait_until=until)
        assert answer.status < 400, f"{path} answers {answer.status}"
        return self.page

    def wait_for(self, shown: Callable[[], object], seconds: float = 120) -> None:
        """Wait until ``shown`` holds on a page that refreshes by itself: time goes faster there
        (the window is a ``hurried`` one), and nothing is loaded anew."""

        def holds() -> bool:
            if shown():
                self.page.wait_for_load_state()  # it may be the beginning of a page loaded anew
                return True
            self.page.clock.fast_forward(REFRESH_MILLISECONDS)
            self.rest()
            return False

        try:
            wait_until(holds, seconds)
        except AssertionError:
            raise AssertionError(f"not within {seconds} s; the page says:\n{self.text}") from None

    def rest(self, seconds: float = 10) -> None:
        """Until all is answered that the page has asked for, but no longer than so many seconds.

        ``networkidle`` is reached once for each page that is loaded: it says nothing of what a page
        asks for afterwards."""
        deadline = time.monotonic() + seconds
        while self._unanswered and time.monotonic() < deadline:
            self.page.wait_for_timeout(20)

    def look_again(self) -> None:
        """Have the page ask for its parts now, unless it has just been left because it did so by
        itself."""
        from playwright.sync_api import Error

        with suppress(Error):
            self.page.evaluate(SHOWN_AGAIN)

    def refresh_under_way(self, address: str) -> Callable[[], None]:
        """Have a page of one part ask for it now, at an address like this. The answer is held back
        until the returned function is called, which returns when the page has dealt with it."""
        held: list[Any] = []
        is_held = True

        def on_the_way(route: Any) -> None:
            if is_held:
                held.append(route)
            else:
                route.continue_()

        self.page.route(address, on_the_way)
        self.page.evaluate(SHOWN_AGAIN)
        deadline = time.monotonic() + 60
        while not held and time.monotonic() < deadline:
            self.page.wait_for_timeout(20)
        assert held, "the page asked for nothing"

        def come() -> None:
            nonlocal is_held
            self.page.evaluate(
                "document.body.addEventListener('htmx:afterRequest',"
                " () => document.body.setAttribute('data-answered', ''), {once: true})"
            )
            is_held = False
            for route in held:
                route.continue_()
            self.page.locator("body[data-answered]").wait_for(state="attached")
            self.page.evaluate("document.body.removeAttribute('data-answered')")

        return come

    def tab_to(self, selector: str, *, most: int = 150) -> None:
        """Press Tab until what the selector names has the focus, at most so often."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("what => document.activeElement.matches(what)", selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    def width(self, pixels: int) -> None:
        self.page.set_viewport_size({"width": pixels, "height": HEIGHT})

    def dark(self, *, on: bool = True) -> None:
        self.page.emulate_media(color_scheme="dark" if on else "light")

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    @property
    def text(self) -> str:
        """What the page shows."""
        return self.page.inner_text("body")

    @property
    def texts(self) -> list[str]:
        """All that people can read on the page or have read to them, text by text."""
        return self.page.evaluate(ALL_TEXTS)

    def barriers(
        self, *, excepted: Collection[tuple[str, str]] = (), rules: Collection[str] = ()
    ) -> list[str]:
        """What axe finds that is serious or critical, one line for each element.

        Only ``rules`` are tried, if any are named. What is ``excepted`` (the rule, and a piece of
        the element's HTML) is left out.
        """
        from axe_playwright_python.sync_playwright import Axe

        # A colour that fades into another one is neither.
        self.page.evaluate("Promise.allSettled(document.getAnimations().map((a) => a.finished))")
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = list(rules)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        found = self.page.evaluate("(options) => axe.run(options)", options)
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
            if not any(rule == each["id"] and piece in node["html"] for rule, piece in excepted)
        ]

    def close(self, *, picture: str | None = None) -> None:
        """Close the window; with ``picture``, keep a screenshot where ``PICTURES`` says."""
        if picture and os.environ.get("PICTURES"):
            self.page.screenshot(path=Path(os.environ["PICTURES"], picture), full_page=True)
        self._context.close()
