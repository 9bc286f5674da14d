// The filters of the feed. The address has them, as in #feed?rule=busy&status=5xx,
// so that a link shows the same entries.

import { address, byId, el, mistake } from "./dom.js";

const names = ["rule", "point", "status", "path"];
const field = (name) => byId("feed-" + name);
const view = "feed";

let filters = new URLSearchParams();

// query returns the filters as parameters of the journal.
export const query = () => new URLSearchParams([...filters].filter(([name]) => name !== "group"));

// grouped reports whether equal entries share a row.
export const grouped = () => filters.get("group") !== "no";

// isSet reports whether there is any filter.
export const isSet = () => String(query()) !== "";

// link returns the address of the feed with these filters and no others.
export const link = (wanted) => `#${view}?${new URLSearchParams(wanted)}`;

// begin sets up the fields. change is called after a filter has changed.
export function begin(change) {
  const set = () => {
    if (wrong()) return;
    take(new URLSearchParams([...names.map((name) => [name, field(name).value.trim()]), ["group", field("group").checked ? "" : "no"]]));
    write();
    change();
  };
  for (const name of names) field(name).addEventListener("change", set);
  field("group").addEventListener("change", set);
  field("filters").addEventListener("submit", (event) => { event.preventDefault(); set(); });
  field("clear").addEventListener("click", () => {
    for (const name of names) field(name).value = "";
    set();
    field("rule").focus();
  });
}

const status = /^([1-9]\d\d|[1-9]xx|cut|no_reply|left)?$/;

// isValid reports whether Caddy takes the filters. An address can have any status.
export const isValid = () => status.test(filters.get("status") ?? "");

function wrong() {
  const value = field("status").value.trim();
  return mistake(field("status"), status.test(value) ? "" : "Enter 503, 5xx, cut, no_reply or left.");
}

// take takes known filters that are not empty, and reports whether any has changed.
function take(wanted) {
  const before = String(filters);
  filters = new URLSearchParams([...wanted].filter(([name, value]) => value !== "" && (names.includes(name) || name === "group")));
  field("clear").hidden = !isSet();
  return String(filters) !== before;
}

// write puts the filters into the address. It adds no step to the history.
function write() {
  const wanted = String(filters) === "" ? "#" + view : link(filters);
  if (location.hash !== wanted) history.replaceState(null, "", wanted);
}

// read takes the filters from the address, and reports whether any has changed. If the
// address has none, the filters of the last visit stay.
export function read() {
  const { view: shown, params } = address();
  if (shown !== view) return false;
  if (!params) {
    write();
    return false;
  }
  const changed = take(params);
  for (const name of names) setValue(field(name), filters.get(name) ?? "");
  field("group").checked = grouped();
  wrong();
  return changed;
}

// setValue sets the value of a field. A select gets the value even if it is unknown.
function setValue(node, value) {
  if (node.options && ![...node.options].some((option) => option.value === value)) node.append(el("option", { value }, value));
  node.value = value;
}

// offer lists the rules, experiments and points to choose from.
export function offer(groups, points) {
  choices(field("rule"), [["", [["", "all"]]], ...groups.map(([label, values]) => [label, values.map((name) => [name, name])])]);
  choices(field("point"), [["", [["", "all"], ...points]]]);
}

// choices fills a select with groups of options. It keeps the chosen value.
function choices(select, groups) {
  const wanted = JSON.stringify(groups);
  if (select.dataset.values === wanted) return;
  const chosen = select.value;
  select.dataset.values = wanted;
  select.replaceChildren(...groups.filter(([, values]) => values.length > 0).flatMap(([label, values]) => {
    const all = values.map(([value, name]) => el("option", { value }, name));
    return label ? [el("optgroup", { label }, ...all)] : all;
  }));
  setValue(select, chosen);
}
