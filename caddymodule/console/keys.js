// The keys of the page. People who use speech or a screen reader can switch them off,
// because a single letter may be something else to them (WCAG 2.1.4).

import { byId } from "./dom.js";

const stored = "fault-console-keys";
const searches = { overview: "find", feed: "feed-path", clients: "client-search", activity: "act-search", explain: "explain-url", catalog: "code-search" };

// begin sets up the keys. halt halts all faults, and shown returns the view that is shown.
export function begin(halt, shown) {
  const on = byId("keys-on");
  on.checked = recall() !== "off";
  on.addEventListener("change", () => remember(on.checked ? "on" : "off"));
  byId("keys-show").addEventListener("click", () => byId("keys").showModal());
  byId("keys-close").addEventListener("click", () => byId("keys").close());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && /[?&]wall/.test(location.hash)) location.hash = "overview";
    if (!on.checked || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || writes(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (act(event.key, halt, shown)) event.preventDefault();
  });
}

function act(key, halt, shown) {
  const link = document.querySelectorAll("nav a")[Number(key) - 1];
  if (link) link.click();
  else if (key === "h") halt();
  else if (key === "?") byId("keys").showModal();
  else if (key === "/") byId(searches[shown()])?.focus();
  else return false;
  return true;
}

// writes reports whether keys are text for this element.
const writes = (node) => node.closest?.("input, textarea, select, [contenteditable]") !== null;

function recall() {
  try {
    return localStorage.getItem(stored);
  } catch {
    return null; // the browser keeps nothing
  }
}

function remember(value) {
  try {
    localStorage.setItem(stored, value);
  } catch { /* the choice lasts as long as the page */ }
}
