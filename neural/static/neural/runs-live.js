// What comes after the page: counts and the histogram, which may take longer, and the news. Rows
// that are shown change in place; new ones are announced and never move what somebody looks at.
// Hidden tabs of the browser are left alone.
(() => {
  const EVERY = 5000; // milliseconds
  const FIGURES_EVERY = 6; // times as seldom
  const KEPT = "neural-runs-live";
  let turn = 0;

  const fetched = async (address) => {
    const answer = await fetch(address, { headers: { "X-Requested-With": "XMLHttpRequest" } });
    if (answer.redirected) window.location.reload(); // to the login
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  const loadFigures = async () => {
    const part = document.getElementById("runs-figures");
    if (!part || part.contains(document.activeElement)) return;
    const found = await fetched(part.dataset.address);
    const left = part.querySelector(".runs-tabs").scrollLeft;
    part.replaceChildren(...found.body.childNodes);
    part.querySelector(".runs-tabs").scrollLeft = left;
  };

  const announce = (answer) => {
    const place = document.querySelector(".runs-new");
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
      if (old.matches(".runs-check") || old.contains(document.activeElement)) return;
      if (bodyOf(old) !== bodyOf(cell)) old.replaceChildren(...cell.childNodes);
    });
    row.classList.toggle(
      "runs-has-changed",
      state !== row.querySelector(".neural-badge")?.className,
    );
  };

  const refresh = async () => {
    const form = document.getElementById("runs-chosen");
    const rows = [...document.querySelectorAll("#runs-table tbody tr")];
    const address = new URL(form.dataset.live, window.location.href);
    address.searchParams.set("newest", form.dataset.newest);
    address.searchParams.set("shown", rows.map((row) => row.dataset.key).join(","));
    const found = await fetched(address);
    const answer = found.getElementById("runs-live-answer").content;
    if ("isNewest" in form.dataset) announce(answer);
    for (const row of rows) {
      const fresh = answer.getElementById(row.id);
      if (fresh) renew(row, fresh);
    }
    turn += 1;
    if (turn % FIGURES_EVERY === 0) await loadFigures();
  };

  const isOn = () => document.getElementById("runs-live").checked && !document.hidden;
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
      for (const step of steps()) step.classList.toggle("runs-in-reach", chosen.includes(step));
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
    const live = document.getElementById("runs-live");
    live.checked = window.localStorage.getItem(KEPT) !== "off";
    live.closest("label").hidden = false;
    live.addEventListener("change", () => {
      window.localStorage.setItem(KEPT, live.checked ? "on" : "off");
      if (isOn()) quietly(refresh);
    });
    const tab = document.querySelector(".runs-tabs [aria-current]");
    tab?.scrollIntoView({ block: "nearest", inline: "nearest" }); // beyond the edge of a phone
    followDragging(document.getElementById("runs-figures"));
    quietly(loadFigures);
    window.setInterval(() => {
      if (isOn()) quietly(refresh);
    }, EVERY);
    document.addEventListener("visibilitychange", () => {
      if (isOn()) quietly(refresh);
    });
  });
})();
