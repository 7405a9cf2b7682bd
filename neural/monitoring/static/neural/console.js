// Refreshes parts of the console's pages: elements with an id, data-every (seconds) and an hx-trigger
// of "console". Hidden tabs of the browser are left alone. So is a part in which somebody moves by
// keyboard, because replacing it takes the focus away, or has typed something that was not sent; and
// what was unfolded stays so. Where the part should come, a page that asks for the login may: then
// the whole page is loaded again.
// It also lets the keyboard reach tables that scroll sideways (class console-scroll).
(() => {
  const REST = 60000; // milliseconds without a key until the part is refreshed again
  let lastKey = -REST;
  let unfolded = [];

  const isEdited = (part) =>
    [...part.querySelectorAll("input")].some((field) => field.value !== field.defaultValue);

  const isInUse = (part) =>
    isEdited(part) ||
    (performance.now() - lastKey < REST && part.querySelector(":focus-visible") !== null);

  const isAPart = ({ target, serverResponse }) => serverResponse.includes(`id="${target.id}"`);

  const refresh = (part) => {
    if (!document.hidden && !isInUse(part)) window.htmx.trigger(part, "console");
  };

  const showStale = (isStale) => {
    for (const note of document.querySelectorAll("[data-stale-note]")) note.hidden = !isStale;
  };

  const unfold = () => {
    for (const id of unfolded) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
  };

  const letScroll = () => {
    for (const box of document.querySelectorAll(".console-scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };

  document.addEventListener("keydown", () => {
    lastKey = performance.now();
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const { id, dataset } of document.querySelectorAll("[data-every]")) {
      window.setInterval(() => {
        const part = document.getElementById(id);
        if (part) refresh(part);
      }, Number(dataset.every) * 1000);
    }
    document.addEventListener("visibilitychange", () => {
      document.querySelectorAll("[data-every]").forEach(refresh);
    });
    const { body } = document;
    body.addEventListener("htmx:afterRequest", (event) => showStale(!event.detail.successful));
    body.addEventListener("htmx:beforeSwap", (event) => {
      const { target, shouldSwap } = event.detail;
      if (target.dataset.every && isInUse(target)) {
        event.detail.shouldSwap = false; // it began to be while this was asked for
      } else if (shouldSwap && target.dataset.every && !isAPart(event.detail)) {
        event.detail.shouldSwap = false;
        window.location.reload();
      }
      unfolded = [...document.querySelectorAll("details[open][id]")].map(({ id }) => id);
    });
    body.addEventListener("htmx:afterSwap", unfold);
    body.addEventListener("htmx:afterSettle", letScroll);
    window.addEventListener("resize", letScroll);
    letScroll();
  });
})();
