// Refreshes parts of the console's pages: elements with data-every (seconds) whose hx-trigger is
// "console". Hidden tabs of the browser are left alone, and so is a part in which the keyboard's
// focus is, because replacing it would take the focus away.
(() => {
  const refresh = (part) => {
    if (document.hidden || part.querySelector(":focus-visible, details[open]")) return;
    window.htmx.trigger(part, "console");
  };

  const tell = (isStale) => {
    for (const note of document.querySelectorAll("[data-stale-note]")) note.hidden = !isStale;
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("[data-every]")) {
      window.setInterval(() => {
        const now = document.getElementById(part.id);
        if (now) refresh(now);
      }, Number(part.dataset.every) * 1000);
    }
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) document.querySelectorAll("[data-every]").forEach(refresh);
    });
    document.body.addEventListener("htmx:afterRequest", (event) => tell(!event.detail.successful));
  });
})();
