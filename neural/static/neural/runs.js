// The list of runs: keys, the selection, and a form that leaves empty fields out of its address.
(() => {
  const rows = () => [...document.querySelectorAll("#runs-table tbody tr")];
  const boxes = () => [...document.querySelectorAll("#runs-table [name=_selected_action]")];
  let current = -1; // of the rows

  const show = (index) => {
    const all = rows();
    if (!all.length) return;
    current = Math.max(0, Math.min(index, all.length - 1));
    all.forEach((row, n) => row.classList.toggle("runs-is-current", n === current));
    all[current].scrollIntoView({ block: "nearest" });
    all[current].querySelector("th a")?.focus({ preventScroll: true });
  };

  const tell = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    const acts = document.querySelector(".runs-chosen-acts");
    if (acts) {
      acts.hidden = chosen === 0;
      acts.querySelector("[data-chosen]").textContent = chosen;
    }
    const all = document.getElementById("runs-all");
    if (all) {
      all.checked = chosen > 0 && chosen === boxes().length;
      all.indeterminate = chosen > 0 && !all.checked;
    }
  };

  const select = () => {
    const box = rows()[current]?.querySelector("[name=_selected_action]");
    if (box) {
      box.checked = !box.checked;
      tell();
    }
  };

  const retry = () => {
    const button = document.querySelector(".runs-chosen-acts [value=retry]");
    if (button && boxes().some((box) => box.checked)) button.click();
  };

  const toFilters = () => document.querySelector(".runs-choices select").focus();

  const KEYS = {
    "/": () => document.querySelector(".runs-text").select(),
    "?": () => document.getElementById("runs-keys").showModal(),
    j: () => show(current + 1),
    k: () => show(current - 1),
    x: select,
    o: () => rows()[current]?.querySelector("th a")?.click(),
    r: retry,
    f: toFilters,
  };

  const isTyping = (target) =>
    target.closest("dialog, select, textarea, [contenteditable]") ||
    (target.matches("input") && target.type !== "checkbox");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // A form sends empty fields as well; an address is easier to read without them.
  const leaveEmptyOut = (form) => {
    for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("runs-search");
    form.addEventListener("submit", () => leaveEmptyOut(form));
    form.addEventListener("change", ({ target }) => {
      if (target.name === "period")
        for (const name of ["since", "until"]) form.elements[name].value = "";
      if (["since", "until"].includes(target.name)) form.elements.period.value = "";
      if (target.matches("[data-sends]")) form.requestSubmit();
    });
    document.addEventListener("change", ({ target }) => {
      if (target.id === "runs-all") for (const box of boxes()) box.checked = target.checked;
      if (target.closest("#runs-table")) tell();
    });
    document.addEventListener("focusin", ({ target }) => {
      const index = rows().indexOf(target.closest("#runs-table tbody tr"));
      if (index >= 0 && index !== current) {
        current = index;
        rows().forEach((row, n) => row.classList.toggle("runs-is-current", n === current));
      }
    });
    document.querySelector("[data-help]").addEventListener("click", KEYS["?"]);
    // What a page that comes back from the browser's memory has left out.
    window.addEventListener("pageshow", () => {
      for (const field of form.elements) field.disabled = false;
      tell();
    });
  });
})();
