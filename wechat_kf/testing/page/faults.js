// What goes wrong with the next message that the bot sends.

import { byId, fill } from "./dom.js";
import { control } from "./controls.js";
import { showLink } from "./events.js";
import { watch } from "./store.js";
import { word } from "./words.js";

const PATH = "/cgi-bin/message/custom/send";

/** @type {Record<string, Record<string, unknown>>} */
const FAULTS = {
  fault_45011: { fault: "Errcode", errcode: 45011 },
  fault_45009: { fault: "Errcode", errcode: 45009 },
  fault_minus_1: { fault: "Errcode", errcode: -1 },
  fault_40001: { fault: "Errcode", errcode: 40001 },
  fault_delay: { fault: "Delay", seconds: 10 },
  fault_drop_before: { fault: "DropBefore" },
  fault_drop_after: { fault: "DropAfter" },
  fault_502: { fault: "Status", status: 502 },
};

/**
 * Start the form.
 */
export function startFaults() {
  const form = /** @type {HTMLFormElement} */ (byId("fault"));
  const kind = /** @type {HTMLSelectElement} */ (byId("fault-kind"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await control("fault", { path: PATH, ...FAULTS[kind.value] })) byId("link").textContent = word("fault_set");
  });
  watch((changed) => {
    if (changed.some((entry) => entry.kind === "call" && entry.path === PATH)) showLink();
  });
}

/**
 * Name the faults in the page's language.
 */
export function nameFaults() {
  const kind = /** @type {HTMLSelectElement} */ (byId("fault-kind"));
  const names = Object.keys(FAULTS);
  fill(kind, names.map((name) => [name, word(name)]), kind.value || names[0]);
}
