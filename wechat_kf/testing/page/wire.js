// The wire: every call and every push, the newest first.

import { byId, element } from "./dom.js";
import { drawDetails } from "./details.js";
import { store, watch } from "./store.js";
import { timeOfDay, word } from "./words.js";

/** @typedef {import("./store.js").Entry} Entry */

const LISTED = 200;

/** @type {Entry | undefined} */
let chosen;
/** @type {Map<number, HTMLElement>} */
const rows = new Map();

/**
 * Start the list.
 */
export function startWire() {
  const kinds = /** @type {HTMLSelectElement} */ (byId("kinds"));
  const find = /** @type {HTMLInputElement} */ (byId("find"));
  const wanted = () => filter(kinds.value, find.value.trim().toLowerCase());
  kinds.addEventListener("change", () => drawAll(wanted()));
  find.addEventListener("input", () => drawAll(wanted()));
  byId("rows").addEventListener("keydown", walk);
  watch((changed, isWhole) => {
    if (isWhole && !store.wire.includes(/** @type {Entry} */ (chosen))) chosen = undefined;
    if (isWhole) drawAll(wanted());
    else update(changed.filter((entry) => entry.kind === "call" || entry.kind === "push"), wanted());
  });
}

/**
 * Show an entry's details, and where it stands in the list.
 * @param {Entry} entry
 */
export function choose(entry) {
  const before = chosen;
  chosen = entry;
  for (const each of [before, entry]) if (each && rows.has(each.n)) replace(each);
  drawDetails(entry);
  rows.get(entry.n)?.scrollIntoView({ block: "nearest" });
}

/**
 * @param {string} kind
 * @param {string} text
 * @returns {(entry: Entry) => boolean}
 */
function filter(kind, text) {
  return (entry) => {
    if (kind === "refused" ? outcome(entry).state !== "bad" : kind !== "all" && entry.kind !== kind) return false;
    return !text || JSON.stringify(entry).toLowerCase().includes(text);
  };
}

/**
 * @param {(entry: Entry) => boolean} isWanted
 */
function drawAll(isWanted) {
  rows.clear();
  const made = [];
  let rest = 0;
  for (const entry of store.wire.toReversed()) {
    if (!isWanted(entry)) continue;
    if (made.length < LISTED) made.push(row(entry));
    else rest += 1;
  }
  byId("rows").replaceChildren(...made);
  tellRest(rest);
  drawDetails(chosen);
}

/**
 * @param {Entry[]} changed
 * @param {(entry: Entry) => boolean} isWanted
 */
function update(changed, isWanted) {
  if (changed.length > LISTED) {
    drawAll(isWanted);
    return;
  }
  const list = byId("rows");
  for (const entry of changed) {
    if (rows.has(entry.n)) replace(entry);
    else if (isWanted(entry)) list.prepend(row(entry));
  }
  while (list.childElementCount > LISTED) {
    const last = /** @type {HTMLElement} */ (list.lastElementChild);
    rows.delete(Number(last.dataset.n));
    last.remove();
  }
  tellRest(list.childElementCount < LISTED ? 0 : store.wire.filter(isWanted).length - LISTED);
  if (chosen && changed.includes(chosen)) drawDetails(chosen);
}

/**
 * @param {number} rest
 */
function tellRest(rest) {
  const older = byId("wire-older");
  older.hidden = rest <= 0;
  older.textContent = word("older_rows", { count: rest });
  const empty = byId("wire-empty");
  empty.hidden = byId("rows").childElementCount > 0;
  empty.textContent = word(store.wire.length > 0 ? "no_match" : "wire_empty");
}

/**
 * @param {Entry} entry
 */
function replace(entry) {
  const before = /** @type {HTMLElement} */ (rows.get(entry.n));
  const hadFocus = before.contains(document.activeElement);
  before.replaceWith(row(entry));
  if (hadFocus) rows.get(entry.n)?.querySelector("button")?.focus();
}

/**
 * @param {Entry} entry
 */
function row(entry) {
  const { state, text } = outcome(entry);
  const what = entry.kind === "push" ? entry.what : entry.path.replace("/cgi-bin", "").split("/").slice(-2).join("/");
  const repeated = entry.kind === "push" && entry.attempt > 1 ? ` · ${word("attempt", { attempt: entry.attempt })}` : "";
  const line = element(
    "button",
    { type: "button", class: "row", "aria-pressed": entry === chosen ? "true" : "false" },
    element("span", { class: "at number" }, timeOfDay(entry.at)),
    element("span", { class: `way ${entry.kind}` }, word(entry.kind)),
    element("span", { class: "what" }, `${what}${repeated} `, element("span", { class: "said" }, said(entry))),
    element("span", { class: "who" }, entry.openid ?? ""),
    element("span", { class: `outcome ${state}` }, text),
  );
  line.addEventListener("click", () => choose(entry));
  const made = element("li", { "data-n": entry.n }, line);
  rows.set(entry.n, made);
  return made;
}

/**
 * The text that it is about, if it is short.
 * @param {Entry} entry
 */
function said(entry) {
  const text = entry.kind === "push" ? entry.fields.Content : entry.json?.text?.content;
  return typeof text === "string" ? text.slice(0, 80) : "";
}

/**
 * @param {Entry} entry
 * @returns {{state: "good" | "bad" | "open", text: string}}
 */
function outcome(entry) {
  if (entry.kind === "push") {
    if (entry.seconds === null) return { state: "open", text: word("outcome_pending") };
    if (entry.mistake) return { state: "bad", text: word("outcome_not_taken") };
    if (entry.status === null) return { state: "bad", text: word("outcome_no_answer") };
    return { state: "good", text: word(["", "success"].includes(entry.answer) ? "outcome_nothing" : "outcome_reply") };
  }
  if (entry.status === null) return { state: "bad", text: word("outcome_dropped") };
  if (entry.errcode) return { state: "bad", text: String(entry.errcode) };
  return entry.status === 200 ? { state: "good", text: word("outcome_ok") } : { state: "bad", text: `HTTP ${entry.status}` };
}

/**
 * Go up and down with the arrow keys.
 * @param {KeyboardEvent} event
 */
function walk(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const item = /** @type {HTMLElement} */ (event.target).closest("li");
  if (!step || !item) return;
  event.preventDefault();
  const next = /** @type {HTMLElement | null} */ (item[/** @type {"nextElementSibling"} */ (step)]);
  next?.querySelector("button")?.focus();
}
