// The phone: one customer at a time.

import { byId, compose, fill } from "./dom.js";
import { control, controlWithFile } from "./controls.js";
import { now, store, watch } from "./store.js";
import { Thread } from "./thread.js";
import { duration, word } from "./words.js";

/** @typedef {import("./store.js").Entry} Entry */

// Of thousands of customers, those heard of last.
const LISTED = 200;
const UNLIMITED = 10_000;

let appid = "";
let chosen = "";
/** @type {Set<string>} Customers who have done nothing yet. */
const unheard = new Set();

/**
 * Who holds the phone.
 */
export function customer() {
  return chosen;
}

/**
 * Start the phone.
 * @param {(entry: Entry) => void} choose  Shows an entry on the wire.
 */
export function startPhone(choose) {
  const thread = new Thread(byId("phone-thread"), "customer", choose);
  const select = /** @type {HTMLSelectElement} */ (byId("customer"));

  /** @param {string} openid */
  function hold(openid) {
    chosen = openid;
    thread.open(openid);
    drawBar(select);
  }

  select.addEventListener("change", () => hold(select.value));
  byId("new-customer").addEventListener("click", () => {
    const openid = nextName();
    unheard.add(openid);
    hold(openid);
    byId("phone-text").focus();
  });
  startComposer();
  startActions();
  setInterval(tick, 1000);
  watch((changed, isWhole) => {
    const known = [...store.customers.keys()];
    if (appid !== store.appid) {
      appid = store.appid;
      chosen = "";
      unheard.clear();
    }
    if (isWhole && !store.customers.has(chosen) && !unheard.has(chosen)) chosen = known.at(-1) ?? nextName();
    if (!store.customers.has(chosen)) unheard.add(chosen);
    if (isWhole) thread.open(chosen);
    else thread.update(changed);
    drawBar(select);
  });
}

function startComposer() {
  const form = /** @type {HTMLFormElement} */ (byId("phone-form"));
  compose(form, /** @type {HTMLTextAreaElement} */ (byId("phone-text")), (text) => control("user_says", { openid: chosen, text }));
  const picture = /** @type {HTMLInputElement} */ (byId("picture"));
  picture.addEventListener("change", async () => {
    for (const file of picture.files ?? []) await controlWithFile("user_sends_image", { openid: chosen }, file);
    picture.value = "";
  });
}

function startActions() {
  const more = byId("more");
  more.addEventListener("click", () => {
    const isOpen = more.getAttribute("aria-expanded") === "true";
    more.setAttribute("aria-expanded", String(!isOpen));
    byId("actions").hidden = isOpen;
  });
  for (const each of document.querySelectorAll("[data-control]")) {
    each.addEventListener("click", () => control(/** @type {HTMLElement} */ (each).dataset.control ?? "", { openid: chosen }));
  }
  byId("mute").addEventListener("click", () => control("mutes", { openid: chosen, muted: !store.customers.get(chosen)?.muted }));
  byId("blacklist").addEventListener("click", () => {
    control("blacklist", { openid: chosen, listed: !store.customers.get(chosen)?.blacklisted });
  });
  for (const [id, name, field] of [["click", "clicks", "key"], ["scan", "scans", "scene"]]) {
    const form = /** @type {HTMLFormElement} */ (byId(id));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      control(name, { openid: chosen, [field]: String(new FormData(form).get(field)) });
    });
  }
}

/**
 * @param {HTMLSelectElement} select
 */
function drawBar(select) {
  for (const openid of unheard) if (store.customers.has(openid)) unheard.delete(openid);
  const listed = new Set([...[...store.customers.keys()].slice(-LISTED), ...unheard, chosen]);
  fill(select, [...listed].sort((a, b) => a.localeCompare(b, "en", { numeric: true })).map((openid) => [openid, openid]), chosen);
  const known = store.customers.get(chosen);
  byId("mute").textContent = word(known?.muted ? "unmute" : "mute");
  byId("blacklist").textContent = word(known?.blacklisted ? "unblacklist" : "blacklist");
  tick();
}

/**
 * Count down.
 */
function tick() {
  const known = store.customers.get(chosen);
  const left = known?.until ? Date.parse(known.until) - now() : -1;
  const shown = byId("allowance");
  const [state, text] = allowance(known, left);
  shown.dataset.state = state;
  if (shown.textContent !== text) shown.textContent = text;
  const typing = known?.typing_until && Date.parse(known.typing_until) > now() ? word("typing") : "";
  if (byId("typing").textContent !== typing) byId("typing").textContent = typing;
}

/**
 * @param {import("./store.js").Customer | undefined} known
 * @param {number} left
 * @returns {[state: string, text: string]}
 */
function allowance(known, left) {
  if (known && !known.follows) return ["closed", word("is_gone")];
  if (known?.blacklisted) return ["closed", word("is_blacklisted")];
  if (known?.muted) return ["closed", word("is_muted")];
  if (!known || left < 0) return ["closed", word("allowance_closed")];
  const time = duration(left);
  if (known.messages === 0) return ["closed", word("allowance_used")];
  if (known.messages > UNLIMITED) return ["open", word("allowance_unlimited", { time })];
  if (known.messages === 1) return ["last", word("allowance_open_one", { time })];
  return ["open", word("allowance_open", { messages: known.messages, time })];
}

function nextName() {
  let number = 1;
  while (store.customers.has(`customer-${number}`) || unheard.has(`customer-${number}`)) number += 1;
  return `customer-${number}`;
}
