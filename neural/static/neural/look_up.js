// The header's box: "/" and Ctrl or Cmd with K lead to it, and while one types, what is likely meant
// stands below it: a combobox with a list.
(() => {
  const form = document.querySelector(".neural-look-up");
  if (!form) return;
  const input = form.querySelector("[name=q]");
  const isFree = (target) => !target.closest("dialog, input, select, textarea, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    const isK = event.key === "k" && (event.ctrlKey || event.metaKey);
    // The list of runs has a "/" of its own.
    const isSlash = event.key === "/" && isFree(event.target) && !document.querySelector(".list-text");
    if (!isK && !isSlash) return;
    event.preventDefault();
    input.select();
  });
  if (!form.dataset.suggestions) return;
  const list = form.querySelector(".neural-suggestions");
  const said = form.querySelector(".neural-suggestions-said");
  let timer;
  let asked; // the request that is under way
  let current = -1; // of the options

  const options = () => [...list.querySelectorAll("[role=option]")];

  const choose = (index) => {
    const all = options();
    current = all.length ? (index + all.length + 1) % (all.length + 1) : -1;
    if (current === all.length) current = -1; // between the last and the first: what was typed
    all.forEach((each, n) => each.setAttribute("aria-selected", n === current));
    all[current]?.scrollIntoView({ block: "nearest" });
    if (current < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", all[current].id);
  };

  const show = (isShown) => {
    list.hidden = !isShown;
    input.setAttribute("aria-expanded", isShown);
    choose(-1);
    said.textContent = isShown ? list.querySelector("[data-said]").dataset.said : "";
  };

  const close = () => {
    clearTimeout(timer);
    asked?.abort();
    show(false);
  };

  const ask = async () => {
    const text = input.value.trim();
    asked?.abort();
    if ([...text].length < 2) return show(false);
    asked = new AbortController();
    try {
      const address = `${form.dataset.suggestions}?${new URLSearchParams({ q: text })}`;
      const answer = await fetch(address, { signal: asked.signal });
      // Who was signed out is led to another page.
      const html = answer.ok && !answer.redirected ? await answer.text() : "";
      list.innerHTML = html;
      show(options().length > 0);
    } catch (error) {
      if (error.name !== "AbortError") show(false);
    }
  };

  const KEYS = {
    ArrowDown: () => choose(current + 1),
    ArrowUp: () => choose(current - 1),
    Escape: close,
    Enter: () => options()[current].click(),
  };

  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-haspopup", "listbox");
  input.setAttribute("aria-controls", "neural-suggestions-list");
  input.setAttribute("aria-expanded", false);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  input.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || list.hidden || event.isComposing || (event.key === "Enter" && current < 0)) return;
    event.preventDefault();
    act();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus
  form.addEventListener("submit", close);
  form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || close());
})();
