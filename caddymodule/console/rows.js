// What the rows of the overview have in common: numbers, lines and buttons.

import { digits, el, text, toast } from "./dom.js";
import { readable } from "./lines.js";

// figures creates the numbers of a row. Its update takes the rates.
export function figures(name, withPassed) {
  const hits = el("b");
  const passed = el("b");
  const node = el("div", { class: "figures" },
    el("a", { href: "#feed?" + new URLSearchParams({ rule: name }), title: "Show the hits in the feed" }, hits, " injected"), withPassed ? el("span", {}, passed, " passed") : null);
  node.update = (rates) => {
    text(hits, digits(rates.hits));
    text(passed, digits(rates.passed));
  };
  return node;
}

// lineText creates a line of the grammar for people. A long line is cut. Its tooltip has
// all of it, as the grammar writes it.
export function lineText(line) {
  const node = el("code", { class: "line" });
  node.update = (value) => {
    text(node, readable(value));
    node.title = value;
  };
  if (line !== undefined) node.update(line);
  return node;
}

// button creates a button that changes something. Its toast says what it did, or why it
// failed.
export function button(label, name, did, act, change) {
  return el("button", {
    type: "button",
    "aria-label": `${label} ${name}`,
    onclick: async () => {
      try {
        await act();
        toast(`${did} ${name}`);
      } catch (error) {
        toast(error.message);
      }
      change();
    },
  }, label);
}
