// The control that turns the percentage of a running experiment.

import { el } from "./dom.js";

const stops = [0, 1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 100];
const pause = 500; // milliseconds; several presses become one change

// percentage creates the control. turn changes the percentage, and reports whether that
// succeeded. The node's update takes the current one, which is not shown while somebody
// changes it.
export function percentage(name, turn) {
  let now = 100;
  let timer; // of a change that is not sent yet
  let sending = false;
  let again = false; // whether to send again after the current change
  const field = el("input", {
    type: "number", min: 0, max: 100, step: "any", inputmode: "decimal", "aria-label": `Percentage of ${name}`,
    onchange: () => later(field.valueAsNumber),
    onkeydown: (event) => {
      if (event.key === "Enter") send();
      else if (event.key === "Escape") show(now);
    },
  });
  const show = (value) => {
    clearTimeout(timer);
    timer = undefined;
    field.value = value;
    field.removeAttribute("aria-invalid");
  };
  const later = (value) => {
    clearTimeout(timer);
    field.value = value;
    timer = setTimeout(send, pause);
  };
  const send = async () => {
    clearTimeout(timer);
    timer = undefined;
    const value = field.valueAsNumber;
    const valid = value >= 0 && value <= 100;
    field.setAttribute("aria-invalid", String(!valid));
    again = sending;
    if (!valid || value === now || sending) return;
    sending = true;
    try {
      if (await turn(value)) now = value;
    } finally {
      sending = false;
      if (again) send();
      else if (timer === undefined && field.valueAsNumber === value) show(now); // nobody has typed since
    }
  };
  const step = (label, sign, next) => el("button", { type: "button", "aria-label": `${label} percentage of ${name}`, onclick: () => {
    const value = Number.isNaN(field.valueAsNumber) ? now : field.valueAsNumber;
    later(next(value) ?? value);
  } }, sign);
  const node = el("span", { class: "percent", role: "group", "aria-label": `Percentage of ${name}` },
    step("Decrease", "−", (value) => stops.findLast((stop) => stop < value)),
    field, el("span", { "aria-hidden": "true" }, "%"),
    step("Increase", "+", (value) => stops.find((stop) => stop > value)));
  node.update = (value) => {
    now = value;
    if (!sending && timer === undefined && document.activeElement !== field) show(now);
  };
  return node;
}
