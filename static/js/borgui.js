// Only what HTML and htmx cannot do: theme, time zone, copying, dialogs, the folder picker and a
// log that follows its end. Everything else on the pages works without this file.
"use strict";

(() => {
  const YEAR = 31536000;
  const base = document.documentElement.dataset.base || "/";
  const remember = (name, value) => {
    document.cookie = `${name}=${value};path=${base};max-age=${YEAR};samesite=lax`;
  };

  // Times are written by the server in the zone this cookie names (checked there).
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`borgui_zone=${encodeURIComponent(zone)}`)) {
    remember("borgui_zone", encodeURIComponent(zone));
  }

  document.addEventListener("change", (event) => {
    if (!event.target.name?.startsWith("borgui-theme")) return;
    const theme = event.target.value;
    remember("borgui_theme", theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const each of document.querySelectorAll("[name^=borgui-theme]")) each.checked = each.value === theme;
  });

  const said = document.getElementById("said");
  const say = (text) => {
    if (said) said.textContent = text;
  };

  const copy = async (button) => {
    const text = button.dataset.copy ?? document.querySelector(button.dataset.copyFrom)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS browsers offer no clipboard: a text field and the old command still work.
      const field = document.createElement("textarea");
      field.value = text;
      (button.closest("dialog") || document.body).append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    const use = button.querySelector("use");
    if (use && !button.dataset.before) {
      button.dataset.before = use.getAttribute("href");
      use.setAttribute("href", button.dataset.before.replace(/#.*/, "#check"));
      setTimeout(() => {
        use.setAttribute("href", button.dataset.before);
        delete button.dataset.before;
      }, 1500);
    }
    say("Copied.");
  };

  const addLine = (area, line) => {
    const lines = area.value.split("\n").filter((each) => each.trim() !== "");
    if (!lines.includes(line)) lines.push(line);
    area.value = lines.join("\n") + "\n";
    area.rows = Math.max(area.rows, Math.min(12, lines.length + 1));
  };

  // A folder whose name cannot be typed goes by its bytes, as a ticked box beside the field.
  const addOdd = (field, button) => {
    const list = document.getElementById(`${field.id}-odd`);
    if (!list || list.querySelector(`input[value="${CSS.escape(button.dataset.b64)}"]`)) return;
    const label = document.createElement("label");
    label.className = "tick";
    const box = document.createElement("input");
    box.type = "checkbox";
    box.name = `${field.name}_b64`;
    box.value = button.dataset.b64;
    box.checked = true;
    const name = document.createElement("span");
    name.className = "mono";
    name.textContent = button.dataset.shown;
    label.append(box, name);
    list.append(label);
  };

  const take = (button) => {
    const field = document.getElementById(button.dataset.into);
    if (field.tagName !== "TEXTAREA") {
      field.value = "";
      document.getElementById(`${field.id}-odd`)?.replaceChildren();
    }
    if (button.hasAttribute("data-odd")) addOdd(field, button);
    else if (field.tagName === "TEXTAREA") addLine(field, button.dataset.shown);
    else field.value = button.dataset.shown;
    button.closest("dialog").close();
    field.focus();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button, a[data-opens]");
    if (!button) return;
    if (button.matches("[data-copy], [data-copy-from]")) copy(button);
    else if (button.dataset.take !== undefined) take(button);
    else if (button.dataset.opens) {
      event.preventDefault();  // of a link, which leads to a page that asks the same
      document.getElementById(button.dataset.opens).showModal();
    }
    else if (button.dataset.closes !== undefined) button.closest("dialog").close();
    else if (button.dataset.dismiss !== undefined) button.closest(".failed").remove();
  });

  // The button of what cannot be undone wakes when the name has been typed.
  document.addEventListener("input", (event) => {
    const wanted = event.target.dataset.mustBe;
    if (wanted === undefined) return;
    const button = event.target.form.querySelector("[data-armed]");
    if (button) button.disabled = event.target.value !== wanted;
  });

  // Who left the picker is not brought back to it by a folder that is listed only then.
  document.addEventListener("close", (event) => {
    if (event.target.matches("dialog[data-modal]")) event.target.remove();
  }, true);

  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const toEnd = () => {
    for (const box of document.querySelectorAll("[data-follow]")) box.scrollTop = box.scrollHeight;
  };
  const wake = (root) => {
    for (const dialog of root.querySelectorAll("dialog[data-modal]:not([open])")) dialog.showModal();
    for (const button of root.querySelectorAll("[data-armed]")) {
      button.disabled = button.form.querySelector("[data-must-be]").value !== button.form.querySelector("[data-must-be]").dataset.mustBe;
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    wake(document);
    toEnd();
    document.querySelector("[data-summary]")?.focus();
  });

  // A page nobody looks at asks nothing. `every` is the event of a polling trigger.
  document.addEventListener("htmx:config:request", (event) => {
    if (document.hidden && event.detail.ctx.sourceEvent?.type === "every") event.preventDefault();
  });
  let followed = [];
  document.addEventListener("htmx:before:swap", () => {
    followed = [...document.querySelectorAll("[data-follow]")].filter(atEnd);
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const box of followed) box.scrollTop = box.scrollHeight;
    wake(document);
  });

  // Who pressed a button and got nothing is told why; a poll asks again by itself.
  const failed = ({ detail: { ctx } }) => {
    if (!["click", "submit"].includes(ctx?.sourceEvent?.type)) return;
    const page = new DOMParser().parseFromString(ctx.text || "", "text/html");
    const reason = page.querySelector("[role=alert] p")?.textContent;
    const notice = document.getElementById("failure").content.firstElementChild.cloneNode(true);
    if (reason) notice.querySelector("p").textContent = reason;
    document.querySelector(".failed")?.remove();
    // What is behind an open dialog can be neither reached nor read out.
    (ctx.sourceElement.closest("dialog") || document.body).append(notice);
  };
  document.addEventListener("htmx:response:error", failed);
  document.addEventListener("htmx:error", failed);

  // Morphing would close what the reader has opened: it is theirs, not the server's.
  window.htmx?.registerExtension("kept-open", {
    htmx_before_morph_attr: (element, detail) =>
      !(detail.attrName === "open" && element.matches("details, dialog")),
  });
})();
