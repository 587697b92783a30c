// The controls over HTTP, the same that tests use.

import { byId, element } from "./dom.js";
import { store } from "./store.js";
import { word } from "./words.js";

/**
 * Call a control. What it refuses is shown.
 * @param {string} name
 * @param {Record<string, unknown>} [given]
 * @returns {Promise<boolean>} Whether it went well.
 */
export async function control(name, given = {}) {
  const body = JSON.stringify({ ...given, appid: store.appid });
  try {
    const response = await fetch(name, { method: "POST", body });
    if (response.ok) return true;
    complain(await response.text());
  } catch {
    complain(word("lost"));
  }
  return false;
}

/**
 * Call a control with a file's content.
 * @param {string} name
 * @param {Record<string, unknown>} given
 * @param {Blob} file
 */
export async function controlWithFile(name, given, file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return control(name, { ...given, content: btoa(text) });
}

/**
 * Where a file of the account lies.
 * @param {string} mediaId
 */
export function mediaUrl(mediaId) {
  return `media?${new URLSearchParams({ media_id: mediaId, appid: store.appid })}`;
}

/**
 * @param {string} text
 */
function complain(text) {
  const shown = element("p", {}, text);
  byId("troubles").replaceChildren(shown);
  setTimeout(() => shown.remove(), 8000);
}
