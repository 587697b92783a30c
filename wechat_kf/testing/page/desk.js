// The agents' desk: one agent at a time, who waits for them, and whom they serve.

import { button, byId, compose, element, fill } from "./dom.js";
import { control } from "./controls.js";
import { customer } from "./phone.js";
import { store, watch } from "./store.js";
import { Thread } from "./thread.js";
import { word } from "./words.js";

/** @typedef {import("./store.js").Entry} Entry */
/** @typedef {import("./store.js").Customer} Customer */

// Nobody reads a longer queue.
const LISTED = 100;

let agent = "";
// One who was just made, of whom nothing has been heard yet.
let awaited = "";
let served = "";

/**
 * Start the desk.
 * @param {(entry: Entry) => void} choose  Shows an entry on the wire.
 */
export function startDesk(choose) {
  const thread = new Thread(byId("desk-thread"), "agent", choose);
  const select = /** @type {HTMLSelectElement} */ (byId("agent"));

  /** @param {string} openid */
  function serve(openid) {
    served = openid;
    thread.open(openid);
    draw();
  }

  function draw() {
    drawAgent(select);
    drawQueue();
    const ours = customersWho("served").filter((each) => each.kf_account === agent);
    if (!ours.some((each) => each.openid === served)) {
      served = ours[0]?.openid ?? "";
      thread.open(served);
    }
    drawSessions(ours, serve);
  }

  select.addEventListener("change", () => {
    agent = select.value;
    draw();
  });
  byId("new-agent").addEventListener("click", async () => {
    const name = nextName();
    awaited = name;
    await control("agent_online", { kf_account: name });
  });
  startAgent();
  startSession();
  watch((changed, isWhole) => {
    if (isWhole) thread.open(served);
    else if (served) thread.update(changed);
    draw();
  });
}

function startAgent() {
  const online = /** @type {HTMLInputElement} */ (byId("online"));
  const accepts = /** @type {HTMLInputElement} */ (byId("auto-accept"));
  const goOnline = () => control("agent_online", { kf_account: agent, auto_accept: Number(accepts.value) || 0 });
  online.addEventListener("change", () => (online.checked ? goOnline() : control("agent_offline", { kf_account: agent })));
  accepts.addEventListener("change", goOnline);
  byId("enqueue").addEventListener("click", () => control("user_waits", { openid: customer() }));
}

function startSession() {
  const form = /** @type {HTMLFormElement} */ (byId("desk-form"));
  compose(form, /** @type {HTMLTextAreaElement} */ (byId("desk-text")), (text) => control("agent_says", { openid: served, text }));
  byId("close").addEventListener("click", () => control("agent_closes", { openid: served }));
  const to = /** @type {HTMLSelectElement} */ (byId("hand-over"));
  to.addEventListener("change", async () => {
    if (to.value) await control("agent_switches", { openid: served, kf_account: to.value });
    to.value = "";
  });
}

/**
 * @param {HTMLSelectElement} select
 */
function drawAgent(select) {
  const agents = store.agents.filter((each) => each.is_bound);
  if (agents.some((each) => each.kf_account === awaited)) [agent, awaited] = [awaited, ""];
  if (!agents.some((each) => each.kf_account === agent)) agent = agents[0]?.kf_account ?? "";
  byId("no-agent").hidden = agents.length > 0;
  byId("desk-work").hidden = agents.length === 0;
  select.disabled = agents.length === 0;
  const label = (/** @type {import("./store.js").Agent} */ each) =>
    each.is_online ? each.kf_account : word("offline_mark", { agent: each.kf_account });
  fill(select, agents.map((each) => [each.kf_account, label(each)]), agent);
  const chosen = agents.find((each) => each.kf_account === agent);
  const online = /** @type {HTMLInputElement} */ (byId("online"));
  online.checked = chosen?.is_online ?? false;
  online.disabled = chosen === undefined;
  const accepts = /** @type {HTMLInputElement} */ (byId("auto-accept"));
  if (document.activeElement !== accepts) accepts.value = String(chosen?.auto_accept ?? 0);
  const others = agents.filter((each) => each.kf_account !== agent);
  /** @type {[string, string][]} */
  const choices = [["", word("choose")], ...others.map((each) => /** @type {[string, string]} */ ([each.kf_account, label(each)]))];
  fill(/** @type {HTMLSelectElement} */ (byId("hand-over")), choices, "");
}

function drawQueue() {
  const waiting = customersWho("waiting");
  byId("queue-count").textContent = String(waiting.length);
  const rows = waiting.slice(0, LISTED).map((each) => {
    const whom = each.kf_account ? element("span", { class: "quiet" }, word("waits_for", { agent: each.kf_account })) : "";
    const take = () => control("agent_accepts", { kf_account: agent, openid: each.openid });
    const label = word("accept_whom", { openid: each.openid });
    return element("li", {}, element("span", { class: "name" }, each.openid), whom, button(word("accept"), take, { "aria-label": label }));
  });
  update("queue", rows, word("nobody_waits"));
}

/**
 * @param {Customer[]} ours
 * @param {(openid: string) => void} serve
 */
function drawSessions(ours, serve) {
  byId("session-count").textContent = String(ours.length);
  const rows = ours.slice(0, LISTED).map((each) => {
    const isChosen = each.openid === served ? "true" : "false";
    return element("li", {}, button(each.openid, () => serve(each.openid), { class: "name", "aria-pressed": isChosen }));
  });
  update("sessions", rows, word("no_session"));
  byId("session-title").textContent = served ? word("session_with", { openid: served }) : word("no_session_chosen");
  for (const id of ["close", "hand-over", "desk-text"]) {
    /** @type {HTMLButtonElement} */ (byId(id)).disabled = !served;
  }
  const send = /** @type {HTMLButtonElement} */ (byId("desk-form").querySelector("button"));
  send.disabled = !served;
}

/**
 * Show a list, and leave it alone while it is the same: a button that is replaced loses the focus.
 * @param {string} id
 * @param {HTMLElement[]} rows
 * @param {string} none
 */
function update(id, rows, none) {
  const shown = byId(id);
  const next = rows.length > 0 ? rows : [element("li", { class: "empty" }, none)];
  const isSame = shown.childElementCount === next.length && next.every((row, at) => row.isEqualNode(shown.children[at]));
  if (!isSame) shown.replaceChildren(...next);
}

/**
 * @param {"served" | "waiting"} session
 */
function customersWho(session) {
  const found = [...store.customers.values()].filter((each) => each.session === session);
  return found.sort((a, b) => (a.since ?? "").localeCompare(b.since ?? ""));
}

function nextName() {
  let number = 1;
  while (store.agents.some((each) => each.kf_account === `kf${number}@demo`)) number += 1;
  return `kf${number}@demo`;
}
