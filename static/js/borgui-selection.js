// What is ticked in one folder of an archive stays ticked in the next: until the tab is closed it is
// kept beside the page, and goes along with the form as hidden fields. Without this file the form
// carries it by itself (the field "Keep what is ticked and go to").
"use strict";

(() => {
  const started = new WeakSet();
  // Back and forward may show the page as it was left.
  let shownAgain = () => {};
  addEventListener("pageshow", (event) => event.persisted && shownAgain());
  document.addEventListener("htmx:after:swap", () => start());

  const start = () => {
    const form = document.getElementById("browse");
    if (!form || started.has(form)) return;
    started.add(form);
    const key = `borgui-selection-${form.dataset.selection}`;
    const place = form.querySelector("[data-kept]");
    const said = form.querySelector("[data-said]");
    const clear = form.querySelector("[data-clear]");
    const all = form.querySelector("[data-all]");
    const boxes = [...form.querySelectorAll("td.pick input")];
    const shown = new Set(boxes.map((box) => box.value));

    const read = () => {
      try {
        return new Set(JSON.parse(sessionStorage.getItem(key) || "[]"));
      } catch {
        return new Set();
      }
    };
    const keep = (paths) => {
      try {
        if (paths.size) sessionStorage.setItem(key, JSON.stringify([...paths]));
        else sessionStorage.removeItem(key);
      } catch {
        // Without storage a selection lasts for one page.
      }
    };

    let chosen = read();
    for (const field of place.querySelectorAll("input")) chosen.add(field.value);
    for (const box of boxes) if (box.checked) chosen.add(box.value);

    const show = () => {
      for (const box of boxes) box.checked = chosen.has(box.value);
      place.replaceChildren(
        ...[...chosen].filter((path) => !shown.has(path)).map((path) => {
          const field = document.createElement("input");
          field.type = "hidden";
          field.name = "path_b64";
          field.value = path;
          return field;
        }),
      );
      if (said) {
        const elsewhere = place.childElementCount;
        const count = document.createElement("b");
        count.textContent = `${chosen.size.toLocaleString("en")} selected`;
        said.replaceChildren(chosen.size ? count : said.dataset.none);
        if (elsewhere) said.append(`, ${elsewhere.toLocaleString("en")} of them elsewhere`);
      }
      if (clear) clear.hidden = !chosen.size;
      if (all) {
        const here = boxes.filter((box) => box.checked).length;
        all.checked = here > 0 && here === boxes.length;
        all.indeterminate = here > 0 && here < boxes.length;
      }
    };
    const changed = () => {
      keep(chosen);
      show();
    };

    let last = null;
    form.addEventListener("click", (event) => {
      const box = event.target;
      if (!boxes.includes(box)) return;
      if (event.shiftKey && last !== null) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const each of boxes.slice(from, to + 1)) {
          if (box.checked) chosen.add(each.value);
          else chosen.delete(each.value);
        }
      }
      last = box;
    });
    form.addEventListener("change", (event) => {
      if (event.target === all) {
        for (const box of boxes) all.checked ? chosen.add(box.value) : chosen.delete(box.value);
      } else if (boxes.includes(event.target)) {
        if (event.target.checked) chosen.add(event.target.value);
        else chosen.delete(event.target.value);
      } else return;
      changed();
    });
    clear?.addEventListener("click", () => {
      chosen = new Set();
      changed();
    });
    if (all) all.hidden = false;
    changed();

    shownAgain = () => {
      chosen = read();
      show();
    };
  };

  // What is being restored need not be chosen a second time.
  document.addEventListener("submit", (event) => {
    const archive = event.target.dataset.clears;
    if (archive) sessionStorage.removeItem(`borgui-selection-${archive}`);
  });

  start();
})();
