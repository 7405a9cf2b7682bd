// The page of a row: refreshes itself while the row is not finished, and copies commands.
// The part (#row-live, with data-refresh in seconds) is left alone in a hidden tab of the browser,
// while somebody is in it or in the buttons by keyboard, and while text in it is selected, because
// replacing it would take that away. What was unfolded stays so. A row that has ended comes without
// data-refresh. If a page comes that has no such part, it asks for the login: all is loaded again.
(() => {
  const part = () => document.getElementById("row-live");
  let unfolded = [];
  let timer = 0;

  const isSelecting = () => {
    const selection = document.getSelection();
    return !selection.isCollapsed && part().contains(selection.anchorNode);
  };

  const isInUse = () =>
    document.querySelector("#row-live :focus, #row-tools :focus") !== null || isSelecting();

  const refresh = () => {
    const live = part();
    if (!live || !live.dataset.refresh) {
      window.clearInterval(timer);
    } else if (!document.hidden && !isInUse()) {
      window.htmx.trigger(live, "row-live");
    }
  };

  const copied = (button) => {
    const label = button.textContent;
    button.textContent = button.dataset.copied;
    window.setTimeout(() => {
      button.textContent = label;
    }, 2000);
  };

  const select = (text) => {
    const range = document.createRange();
    range.selectNodeContents(text);
    const selection = document.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  // Browsers give scripts the clipboard on https and localhost alone; elsewhere the text is selected.
  const copy = async (button) => {
    const text = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(text.textContent);
      copied(button);
    } catch {
      select(text);
      if (document.execCommand("copy")) copied(button);
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copies]");
    if (button) copy(button);
  });

  document.addEventListener("DOMContentLoaded", () => {
    const live = part();
    if (!live || !live.dataset.refresh) return;
    timer = window.setInterval(refresh, Number(live.dataset.refresh) * 1000);
    document.addEventListener("visibilitychange", refresh);
    document.body.addEventListener("htmx:beforeSwap", (event) => {
      if (event.detail.target !== part()) return;
      if (isInUse()) event.detail.shouldSwap = false; // it began to be while this was asked for
      if (event.detail.shouldSwap && !event.detail.serverResponse.includes('id="row-live"')) {
        event.detail.shouldSwap = false;
        window.location.reload();
      }
      unfolded = [...document.querySelectorAll("#row-live details[open]")].map(({ id }) => id);
    });
    document.body.addEventListener("htmx:afterSwap", () => {
      for (const id of unfolded) {
        const details = document.getElementById(id);
        if (details) details.open = true;
      }
    });
  });
})();
