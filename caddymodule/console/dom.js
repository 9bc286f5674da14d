// Small helpers for the document. All text becomes a text node: nothing here or
// elsewhere in the page makes markup of a string.

export const byId = (id) => document.getElementById(id);

// el makes an element. A property that begins with "on" is a listener, the
// others are attributes; null and false leave them out. Children are elements or
// texts.
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

// title names an injection point by the site that it stands in.
export const title = ({ site, point }) => site ? `${site} › ${point}` : point;

// text sets the text of an element, and touches the document only if it differs.
export function text(node, value) {
  const wanted = String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
}

// keyed makes the children of a list fit the items: it removes rows without an
// item, makes one for a new key, and calls row.update(item) for each. Rows that
// stay are not replaced, so that focus and open details stay, too.
export function keyed(list, items, keyOf, make) {
  const rows = new Map([...list.children].map((node) => [node.key, node]));
  const wanted = items.map((item) => [keyOf(item), item]);
  const stay = new Set(wanted.map(([key]) => key));
  for (const [key, node] of rows) if (!stay.has(key)) remove(node, list);
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
}

// remove takes a row out of its list. If it had the focus, the next row gets it, or
// the heading of the list: a keyboard would have to begin at the top of the page.
function remove(node, list) {
  const had = node.contains(document.activeElement);
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  if (!had) return;
  const heading = list.previousElementSibling;
  heading.tabIndex = -1;
  const heir = next?.querySelector("button:not([hidden]), summary") ?? heading;
  heir.focus();
  if (document.activeElement !== heir) byId("main").focus(); // hidden, too
}

// options fills a select and keeps what is chosen, even if it is not among the
// values any more: nothing else may be chosen unasked.
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

// sparkline is a picture of numbers as bars. Its update takes the numbers.
export function sparkline(count, label) {
  const svg = document.createElementNS(svgNS, "svg");
  setAttributes(svg, { class: "spark", viewBox: `0 0 ${count * 3} 24`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  const bars = Array.from({ length: count }, (_, i) => {
    const bar = document.createElementNS(svgNS, "rect");
    setAttributes(bar, { x: i * 3, y: 23, width: 2, height: 1 });
    svg.append(bar);
    return bar;
  });
  svg.update = (values) => {
    const top = Math.max(1, ...values);
    bars.forEach((bar, i) => {
      const height = Math.max(1, Math.round((values[i] / top) * 24));
      setAttributes(bar, { y: 24 - height, height, class: values[i] > 0 ? "some" : "none" });
    });
  };
  return svg;
}

// busy marks a button whose work is under way. It is not disabled, which would
// take the focus from it; who listens to it asks isBusy.
export function busy(button, label) {
  text(button, label);
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
}

// ready ends that.
export function ready(button, label) {
  text(button, label);
  button.removeAttribute("aria-busy");
  button.removeAttribute("aria-disabled");
}

export const isBusy = (button) => button.hasAttribute("aria-busy");

// mistake says beside a field what is wrong with it and returns the field; an
// empty message takes that back. It stands in the label, which is read out with
// the field.
export function mistake(field, message) {
  const shown = field.parentElement.querySelector(".wrong");
  if (message) field.setAttribute("aria-invalid", "true");
  else if (shown) field.removeAttribute("aria-invalid");
  if (shown && message) text(shown, message);
  else if (shown) shown.remove();
  else if (message) field.after(el("span", { class: "answer wrong" }, message));
  return message ? field : null;
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

// copy puts a text on the clipboard. Browsers offer that to secure origins only;
// elsewhere the old command has to do.
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
  if (!copied) throw new Error("the browser does not let this page.");
}

// span tells a time in seconds, such as "4 min 10 s".
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

// sentence ends a text as a sentence, which the API's errors do not.
export const sentence = (value) => (/[.!?]$/.test(value) ? value : value + ".");

// clock tells the time of day of an instant, and the day unless it is today.
export function clock(instant) {
  const at = new Date(instant);
  const time = at.toLocaleTimeString([], { hour12: false });
  if (at.toDateString() === new Date().toDateString()) return time;
  return at.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + time;
}
