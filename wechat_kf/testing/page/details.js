// One call or push as it went over the wire, with what a refusal means.

import { byId, element } from "./dom.js";
import { explain, timeOfDay, word } from "./words.js";

/** @typedef {import("./store.js").Entry} Entry */

/**
 * Show an entry; undefined: none is chosen.
 * @param {Entry | undefined} entry
 */
export function drawDetails(entry) {
  const place = byId("details");
  if (entry === undefined) {
    place.replaceChildren(element("p", { class: "empty" }, word("details_empty")));
    return;
  }
  place.replaceChildren(...(entry.kind === "push" ? push(entry) : call(entry)));
}

/**
 * @param {Entry} entry
 */
function call(entry) {
  const parts = [title(`${entry.method} ${entry.path}`, entry)];
  if (entry.status === null) parts.push(reason(word("why_dropped")));
  if (entry.errcode) parts.push(reason(`${entry.errcode}: ${explain(/** @type {any} */ (entry))}`));
  parts.push(...section("query", query(entry.query)));
  const file = entry.file && `${entry.file.filename ?? ""} · ${entry.file.content_type ?? ""} · ${word("bytes", { count: entry.file.size })}`;
  parts.push(...section("body", entry.json === null ? file : json(entry.json)));
  if (entry.status !== null) {
    const body = entry.answer ? json(entry.answer) : (entry.text ?? `${entry.type} · ${word("bytes", { count: entry.size })}`);
    parts.push(...section("answer", body, `HTTP ${entry.status}`));
  }
  return parts;
}

/**
 * @param {Entry} entry
 */
function push(entry) {
  const parts = [title(word("push_of", { what: entry.what }), entry)];
  if (entry.mistake) parts.push(reason(word("why_not_taken", { reason: entry.mistake })));
  const isOver = entry.seconds !== null;
  if (isOver && entry.status === null) parts.push(reason(word("why_no_answer")));
  // Of an encrypted push the body shows nothing.
  if (entry.body.includes("Encrypt")) parts.push(...section("contents", json(entry.fields)));
  parts.push(...section("query", query(entry.query)));
  parts.push(...section("body", lines(entry.body)));
  if (isOver && entry.status !== null) {
    const about = `HTTP ${entry.status} · ${word("took", { seconds: entry.seconds.toFixed(2) })}`;
    parts.push(...section("answer", lines(entry.answer), about));
  }
  return parts;
}

/**
 * @param {string} text
 * @param {Entry} entry
 */
function title(text, entry) {
  const about = [timeOfDay(entry.at), entry.openid ?? ""];
  if (entry.kind === "push") about.push(word("attempt", { attempt: entry.attempt }));
  return element("h3", {}, text, " ", element("span", { class: "about" }, about.filter(Boolean).join(" · ")));
}

/**
 * @param {string} text
 */
function reason(text) {
  return element("p", { class: "reason" }, text);
}

/**
 * @param {string} name
 * @param {string | null} text
 * @param {string} [about]
 */
function section(name, text, about = "") {
  if (!text) return [];
  const head = element("h4", {}, word(name), " ", element("span", { class: "about" }, about));
  return [head, element("pre", {}, text)];
}

/**
 * @param {Record<string, string>} fields
 */
function query(fields) {
  return Object.entries(fields).map(([name, value]) => `${name} = ${value}`).join("\n");
}

/**
 * @param {unknown} value
 */
function json(value) {
  return JSON.stringify(value, null, 2);
}

/**
 * Break XML and JSON into lines, to be read; nothing else is changed.
 * @param {string} text
 */
function lines(text) {
  if (text.startsWith("<xml>")) return text.replace(/>\s*(?=<(?!!\[CDATA|\/))/g, ">\n").replace("</xml>", "\n</xml>");
  return text;
}
