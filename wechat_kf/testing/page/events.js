// The link to the stand-in: server-sent events, which come back by themselves.

import { byId } from "./dom.js";
import { take } from "./store.js";
import { word } from "./words.js";

/** @type {EventSource | undefined} */
let source;
/** @type {"connecting" | "connected" | "lost"} */
let state = "connecting";

/**
 * Listen to an account; empty: the first one.
 * @param {string} appid
 */
export function listen(appid) {
  source?.close();
  const opened = new EventSource(appid ? `feed?appid=${encodeURIComponent(appid)}` : "feed");
  source = opened;
  for (const name of ["whole", "news"]) {
    opened.addEventListener(name, (event) => {
      tell("connected");
      take(JSON.parse(event.data), name === "whole");
    });
  }
  opened.addEventListener("error", () => {
    tell("lost");
    // Not every browser tries again by itself.
    if (opened.readyState === EventSource.CLOSED && source === opened) setTimeout(() => listen(appid), 1000);
  });
}

/**
 * @param {"connecting" | "connected" | "lost"} next
 */
function tell(next) {
  if (next === state) return;
  state = next;
  showLink();
}

/**
 * Say whether the link stands.
 */
export function showLink() {
  const shown = byId("link");
  shown.textContent = word(state);
  shown.dataset.state = state;
}
