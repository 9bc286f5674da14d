// The switch: the button that halts all faults, the one that resumes them, and the note
// that a halt can get later. A halt never waits for a note.

import { call } from "./api.js";
import { banner, busy, byId, isBusy, ready, toast } from "./dom.js";

let wanted; // the last requested state of the switch: halted or not
let refresh = async () => {};

// begin sets up the buttons. change is called after a turn.
export function begin(change) {
  refresh = change;
  byId("halt").addEventListener("click", halt);
  byId("resume").addEventListener("click", () => { if (!isBusy(byId("resume"))) byId("confirm").showModal(); });
  byId("confirm-no").addEventListener("click", () => byId("confirm").close());
  byId("confirm-yes").addEventListener("click", async () => {
    byId("confirm").close();
    if (await turn("resume", byId("resume"), "Resuming …")) byId("halt").focus();
  });
  byId("halt-note").addEventListener("submit", (event) => {
    event.preventDefault();
    annotate();
  });
}

// halt halts all faults, unless it is already being done.
export async function halt() {
  if (!isBusy(byId("halt")) && await turn("halt", byId("halt"), "Halting …")) byId("resume").focus();
}

// show shows the switch of a state.
export function show({ halted, why, note }) {
  byId("halt").hidden = halted;
  byId("resume").hidden = !halted;
  byId("start-halted").hidden = !halted;
  byId("halt-note").hidden = !halted || Boolean(note) || why === "configuration";
  if (halted === wanted) banner("not-turned", "");
}

// turn turns the switch and reports whether that succeeded. If not, the page shows the
// error until the switch is in the wanted state. The button is not disabled, because a
// disabled button would lose the focus.
async function turn(path, button, during) {
  const label = button.textContent;
  busy(button, during);
  wanted = path === "halt";
  try {
    const { answer, warning } = await call("POST", path);
    banner("not-turned", "");
    if (answer || warning) toast([answer, warning].filter(Boolean).join(" "));
  } catch (error) {
    banner("not-turned", `${wanted ? "NOT halted" : "NOT resumed"}: ${error.message}`);
    ready(button, label); // it can be pressed again immediately
    refresh();
    return false;
  }
  await refresh();
  ready(button, label);
  return true;
}

// annotate adds the note to the halt.
async function annotate() {
  const field = byId("halt-why");
  const note = field.value.trim();
  if (note === "") return field.focus();
  try {
    const { answer, warning } = await call("PATCH", "halt", { note }); // a POST would halt again
    toast(warning || answer);
    field.value = "";
    byId("resume").focus(); // the form goes away
  } catch (error) {
    toast(error.message);
  }
  return refresh();
}
