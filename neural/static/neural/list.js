// Lists: keys, the selection, and a form that leaves empty fields out of its address.
(() => {
  const rows = () => [...document.querySelectorAll("#result_list tbody tr")];
  const boxes = () => [...document.querySelectorAll("#result_list [name=_selected_action]")];
  let current = -1; // of the rows

  const show = (index) => {
    const all = rows();
    if (!all.length) return;
    current = Math.max(0, Math.min(index, all.length - 1));
    all.forEach((row, n) => row.classList.toggle("list-is-current", n === current));
    all[current].scrollIntoView({ block: "nearest" });
    all[current].querySelector("th a")?.focus({ preventScroll: true });
  };

  const tell = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    const acts = document.querySelector(".list-chosen-acts");
    if (acts) {
      acts.hidden = chosen === 0;
      acts.querySelector("[data-chosen]").textContent = chosen;
    }
    const all = document.getElementById("action-toggle");
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
    const button = document.querySelector(".list-chosen-acts [value=retry]");
    if (button && boxes().some((box) => box.checked)) button.click();
  };

  const toFilters = () => document.querySelector(".list-choices :is(select, input)")?.focus();

  const KEYS = {
    "/": () => (document.querySelector(".list-text") ?? document.querySelector(".neural-look-up [name=q]"))?.select(),
    "?": () => document.getElementById("list-keys").showModal(),
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
    const form = document.getElementById("list-search");
    form?.addEventListener("submit", () => leaveEmptyOut(form));
    form?.addEventListener("change", ({ target }) => {
      if (target.name === "period")
        for (const name of ["since", "until"]) if (form.elements[name]) form.elements[name].value = "";
      if (["since", "until"].includes(target.name)) form.elements.period.value = "";
      if (target.matches("[data-sends]")) form.requestSubmit();
    });
    document.addEventListener("change", ({ target }) => {
      if (target.id === "action-toggle") for (const box of boxes()) box.checked = target.checked;
      if (target.closest("#result_list")) tell();
    });
    document.addEventListener("focusin", ({ target }) => {
      const index = rows().indexOf(target.closest("#result_list tbody tr"));
      if (index >= 0 && index !== current) {
        current = index;
        rows().forEach((row, n) => row.classList.toggle("list-is-current", n === current));
      }
    });
    document.querySelector("[data-help]").addEventListener("click", KEYS["?"]);
    // What a page that comes back from the browser's memory has left out.
    window.addEventListener("pageshow", () => {
      for (const field of form?.elements ?? []) field.disabled = false;
      tell();
    });
  });
})();

// What comes after the page: counts and the histogram, which may take longer, and the news. Rows
// that are shown change in place; new ones are announced and never move what somebody looks at.
// Hidden tabs of the browser are left alone. Only the list of runs has all this.
(() => {
  const EVERY = 5000; // milliseconds
  const FIGURES_EVERY = 6; // times as seldom
  const KEPT = "neural-list-live";
  let turn = 0;

  const fetched = async (address) => {
    const answer = await fetch(address, { headers: { "X-Requested-With": "XMLHttpRequest" } });
    if (answer.redirected) window.location.reload(); // to the login
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  const loadFigures = async () => {
    const part = document.getElementById("list-figures");
    if (!part?.dataset.address || part.contains(document.activeElement)) return;
    const found = await fetched(part.dataset.address);
    const left = part.querySelector(".list-tabs").scrollLeft;
    part.replaceChildren(...found.body.childNodes);
    part.querySelector(".list-tabs").scrollLeft = left;
  };

  const announce = (answer) => {
    const place = document.querySelector(".list-new");
    const link = answer.querySelector("p a");
    place.hidden = !link;
    if (link && place.textContent !== link.textContent) place.replaceChildren(link);
  };

  const bodyOf = (cell) => cell.cloneNode(true).innerHTML;

  // The box and the cells in which the focus is stay as they are.
  const renew = (row, fresh) => {
    const cells = [...row.cells];
    const state = row.querySelector(".neural-badge")?.className;
    [...fresh.cells].forEach((cell, n) => {
      const old = cells[n];
      if (old.matches(".action-checkbox") || old.contains(document.activeElement)) return;
      if (bodyOf(old) !== bodyOf(cell)) old.replaceChildren(...cell.childNodes);
    });
    row.classList.toggle(
      "list-has-changed",
      state !== row.querySelector(".neural-badge")?.className,
    );
  };

  const refresh = async () => {
    const form = document.getElementById("list-chosen");
    const rows = [...document.querySelectorAll("#result_list tbody tr")];
    const address = new URL(form.dataset.live, window.location.href);
    address.searchParams.set("newest", form.dataset.newest);
    address.searchParams.set("shown", rows.map((row) => row.dataset.key).join(","));
    const found = await fetched(address);
    const answer = found.getElementById("list-live-answer").content;
    if ("isNewest" in form.dataset) announce(answer);
    for (const row of rows) {
      const fresh = answer.getElementById(row.id);
      if (fresh) renew(row, fresh);
    }
    turn += 1;
    if (turn % FIGURES_EVERY === 0) await loadFigures();
  };

  const isOn = () => document.getElementById("list-live").checked && !document.hidden;
  const quietly = (work) => work().catch(() => {}); // the next turn may have better luck

  const followDragging = (figures) => {
    let from = null;
    let dragged = false;
    const stepAt = (event) => event.target.closest("[data-since]");
    const steps = () => [...figures.querySelectorAll("[data-since]")];
    const reach = (to) => {
      const all = steps();
      const ends = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
      return all.slice(ends[0], ends[1] + 1);
    };
    const mark = (chosen) => {
      for (const step of steps()) step.classList.toggle("list-in-reach", chosen.includes(step));
    };
    figures.addEventListener("pointerdown", (event) => {
      from = event.button === 0 ? stepAt(event) : null;
      dragged = false;
    });
    figures.addEventListener("dragstart", (event) => event.preventDefault());
    figures.addEventListener("pointermove", (event) => {
      const to = from && stepAt(event);
      if (!to || to === from) return;
      dragged = true;
      mark(reach(to));
    });
    window.addEventListener("pointerup", (event) => {
      const to = from && dragged && event.target instanceof Element && stepAt(event);
      const chosen = to ? reach(to) : [];
      from = null;
      mark([]);
      if (!chosen.length) return;
      const address = new URL(window.location.href);
      for (const name of ["period", "before", "after"]) address.searchParams.delete(name);
      address.searchParams.set("since", chosen[0].dataset.since);
      address.searchParams.set("until", chosen[chosen.length - 1].dataset.until);
      window.location.assign(address);
    });
    // A link below a drag is not followed.
    figures.addEventListener("click", (event) => {
      if (dragged) event.preventDefault();
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const tab = document.querySelector(".list-tabs [aria-current]");
    tab?.scrollIntoView({ block: "nearest", inline: "nearest" }); // beyond the edge of a phone
    quietly(loadFigures);
    const live = document.getElementById("list-live");
    if (!live) return;
    live.checked = window.localStorage.getItem(KEPT) !== "off";
    live.closest("label").hidden = false;
    live.addEventListener("change", () => {
      window.localStorage.setItem(KEPT, live.checked ? "on" : "off");
      if (isOn()) quietly(refresh);
    });
    followDragging(document.getElementById("list-figures"));
    window.setInterval(() => {
      if (isOn()) quietly(refresh);
    }, EVERY);
    document.addEventListener("visibilitychange", () => {
      if (isOn()) quietly(refresh);
    });
  });
})();
