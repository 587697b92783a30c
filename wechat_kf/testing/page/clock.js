// The stand-in's time, which can be moved ahead.

import { byId } from "./dom.js";
import { control } from "./controls.js";
import { now, store, watch } from "./store.js";
import { dateAndTime } from "./words.js";

/**
 * Start the clock.
 */
export function startClock() {
  for (const each of document.querySelectorAll("[data-advance]")) {
    const seconds = Number(/** @type {HTMLElement} */ (each).dataset.advance);
    each.addEventListener("click", () => control("advance", { seconds }));
  }
  watch(show);
  setInterval(show, 1000);
}

function show() {
  if (store.isKnown) byId("clock").textContent = dateAndTime(now());
}
