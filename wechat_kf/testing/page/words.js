// The page's words, in the language that was chosen, or that the browser asks for.

import { english } from "./words.en.js";
import { chinese } from "./words.zh.js";
import { refusals } from "./refusals.zh.js";

const KEY = "wechat-kf-language";

let language = remembered() ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/**
 * Write a text.
 * @param {string} key
 * @param {Record<string, string | number>} [values]  What stands in the text's braces.
 * @returns {string}
 */
export function word(key, values = {}) {
  const texts = /** @type {Record<string, string>} */ (language === "zh" ? chinese : english);
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * Explain a refusal: what it means, and what to do.
 * @param {{errcode: number, meaning?: string, remedy?: string}} entry
 * @returns {string}
 */
export function explain(entry) {
  const known = language === "zh" ? refusals[entry.errcode] : undefined;
  if (known !== undefined) return known;
  const meaning = entry.meaning ? `${entry.meaning.charAt(0).toUpperCase()}${entry.meaning.slice(1)}. ` : "";
  return `${meaning}${entry.remedy ?? ""}`;
}

/**
 * Write a moment's time of day.
 * @param {string | number} at
 */
export function timeOfDay(at) {
  return new Date(at).toLocaleTimeString(language === "zh" ? "zh-CN" : "en-GB");
}

/**
 * Write a moment with its date.
 * @param {number} at
 */
export function dateAndTime(at) {
  const options = /** @type {const} */ ({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return new Date(at).toLocaleString(language === "zh" ? "zh-CN" : "en-GB", options);
}

/**
 * Write how long something lasts: hours, minutes, seconds.
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/**
 * Put the words into the page's fixed parts.
 */
export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = word("title");
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(dataOf(each, "word"));
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", word(dataOf(each, "label")));
  for (const each of document.querySelectorAll("[data-placeholder]")) {
    each.setAttribute("placeholder", word(dataOf(each, "placeholder")));
  }
}

/**
 * Change to the other language.
 */
export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // A browser may keep nothing; then it is chosen anew each time.
  }
}

/**
 * @param {Element} element
 * @param {string} name
 */
function dataOf(element, name) {
  return /** @type {HTMLElement} */ (element).dataset[name] ?? "";
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
