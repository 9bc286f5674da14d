// Small helpers for the document. Every text becomes a text node. Nothing on the page
// turns a string into markup.

export const byId = (id) => document.getElementById(id);

// el creates an element. An attribute whose name begins with "on" adds a listener. An
// attribute with the value null or false is left out. Children are elements or strings.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  setAttributes(node, attributes);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
}

// title returns the name of an injection point with its site.
export const title = ({ site, point }) => site ? `${site} › ${point}` : point;

// address returns the view that the fragment of the address names, and the parameters
// after the first question mark, or null without one.
export function address() {
  const [view, ...given] = location.hash.slice(1).split("?");
  return { view, params: given.length > 0 ? new URLSearchParams(given.join("?")) : null };
}

// text sets the text of an element. It changes the document only if the text differs.
export function text(node, value) {
  const wanted = String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
}

// keyed adapts the children of a list to the items. It removes rows without an item,
// creates a row for each new key, and calls row.update(item) for each row. Existing rows
// are not replaced, so that focus and open details remain. A row that moves keeps the
// focus.
export function keyed(list, items, keyOf, make) {
  const rows = new Map([...list.children].map((node) => [node.key, node]));
  const wanted = items.map((item) => [keyOf(item), item]);
  const stay = new Set(wanted.map(([key]) => key));
  for (const [key, node] of rows) if (!stay.has(key)) remove(node, list);
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  let place = list.firstElementChild;
  for (const [key, item] of wanted) {
    let node = rows.get(key);
    if (!node) {
      node = make(item);
      node.key = key;
    }
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
    node.update?.(item);
  }
  if (focused !== document.activeElement) focused?.focus({ preventScroll: true });
}

// remove removes a row from its list. If the row had the focus, the next row or the
// heading of the list gets it. Otherwise a keyboard user would start again at the top. No
// button gets it, because the next key would press it.
function remove(node, list) {
  const had = node.contains(document.activeElement);
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  if (!had) return;
  const heir = next ?? list.previousElementSibling;
  heir.tabIndex = -1;
  heir.focus();
  if (document.activeElement !== heir) byId("main").focus(); // the heading is hidden as well
}

// remember reads which part of node has the focus, what is open, and how far it is scrolled. Call the
// returned function after elements with the same IDs have replaced the old ones.
export function remember(node) {
  const focused = node.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...node.querySelectorAll("details[open]")].map(({ id }) => id);
  const scrolled = [...node.querySelectorAll(".scroll")].map(({ id, scrollLeft, scrollTop }) => ({ id, scrollLeft, scrollTop }));
  return () => {
    for (const id of open) byId(id)?.setAttribute("open", "");
    for (const { id, scrollLeft, scrollTop } of scrolled) Object.assign(byId(id) ?? {}, { scrollLeft, scrollTop });
    byId(focused)?.focus({ preventScroll: true });
  };
}

// options fills a select and keeps the chosen value, even if the value is no longer
// among the options. The page must not choose another value for the user.
export function options(select, values) {
  const wanted = JSON.stringify(values);
  if (select.dataset.values === wanted) return;
  const chosen = select.value;
  select.dataset.values = wanted;
  const all = chosen === "" || values.some(([value]) => value === chosen) ? values : [...values, [chosen, chosen]];
  select.replaceChildren(...all.map(([value, label]) => el("option", { value }, label)));
  if (chosen !== "") select.value = chosen;
}

const svgNS = "http://www.w3.org/2000/svg";

// svg creates an element of a picture, as el does.
export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(svgNS, name);
  setAttributes(node, attributes);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// searches calls change with the text of a search field while somebody types. The address
// of the view has the text.
export function searches(id, view, change) {
  byId(id).addEventListener("input", () => {
    const wanted = byId(id).value.trim();
    history.replaceState(null, "", `#${view}${wanted && "?" + new URLSearchParams({ q: wanted })}`);
    change(wanted);
  });
}

// busy marks a button whose action is running. The button is not disabled, because it
// would lose the focus. Its listener checks isBusy instead.
export function busy(button, label) {
  text(button, label);
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
}

// ready undoes busy.
export function ready(button, label) {
  text(button, label);
  button.removeAttribute("aria-busy");
  button.removeAttribute("aria-disabled");
}

export const isBusy = (button) => button.hasAttribute("aria-busy");

// mistake shows an error beside a field and returns the field. An empty message removes
// the error. The error is in the label, which screen readers read with the field.
export function mistake(field, message) {
  const shown = field.parentElement.querySelector(".wrong");
  if (message) field.setAttribute("aria-invalid", "true");
  else if (shown) field.removeAttribute("aria-invalid");
  if (shown && message) text(shown, message);
  else if (shown) shown.remove();
  else if (message) field.after(el("span", { class: "answer wrong" }, message));
  return message ? field : null;
}

// banner shows a message in an element, or hides the element if the message is empty.
export function banner(id, message) {
  text(byId(id), message);
  byId(id).hidden = message === "";
}

let toastTimer;

// toast shows a short message for a while.
export function toast(message) {
  const node = byId("toast");
  node.textContent = message;
  node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 4000);
}

// copy copies a text to the clipboard. Browsers offer the clipboard API only to secure
// origins. Elsewhere, copy uses the older command.
export async function copy(value) {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(value);
    else copyByCommand(value);
    toast("Copied: " + value);
  } catch (error) {
    toast(sentence("Cannot copy: " + error.message));
  }
}

function copyByCommand(value) {
  const focused = document.activeElement;
  const field = el("textarea", { readonly: true, class: "unseen" });
  field.value = value;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  if (!copied) throw new Error("the browser does not allow it.");
}

// span formats a number of seconds, for example as "4 min 10 s".
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

// digits formats a count, with a comma for thousands.
export const digits = new Intl.NumberFormat("en").format;

// part formats a part of 1 as a percentage.
export const part = (share) => `${share > 0 && share < 0.001 ? "< 0.1" : (share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

// sentence adds a period to a text. Errors of the API have none.
export const sentence = (value) => (/[.!?]$/.test(value) ? value : value + ".");

// clock formats the time of day of an instant, with the date unless it is today.
export function clock(instant) {
  const at = new Date(instant);
  const time = at.toLocaleTimeString([], { hour12: false });
  if (at.toDateString() === new Date().toDateString()) return time;
  return at.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + time;
}
