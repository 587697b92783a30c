// What a message shows: its text with links, a picture, a card, a menu.

import { element, button } from "./dom.js";
import { control, mediaUrl } from "./controls.js";
import { word } from "./words.js";

// As WeChat does: a link, or a text that the customer sends by tapping it.
const LINK = /<a\s[^>]*href=["']([^"']*)["'][^>]*>([^<]*)<\/a>/gi;
const MENU = "weixin://bizmsgmenu?";

/**
 * Write a text as WeChat shows it.
 * @param {string} text
 * @param {string} openid  Who reads it.
 * @param {boolean} isTapped  Whether taps are the customer's.
 * @returns {HTMLElement}
 */
export function textNode(text, openid, isTapped) {
  const shown = element("span", { class: "text" });
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    shown.append(text.slice(end, match.index), link(match[1], match[2], openid, isTapped));
    end = match.index + match[0].length;
  }
  shown.append(text.slice(end));
  return shown;
}

/**
 * @param {string} target
 * @param {string} label
 * @param {string} openid
 * @param {boolean} isTapped
 * @returns {Node | string}
 */
function link(target, label, openid, isTapped) {
  const href = target.replaceAll("&amp;", "&");
  if (href.startsWith(MENU) && isTapped) {
    const query = new URLSearchParams(href.slice(MENU.length));
    const fields = { MsgType: "text", Content: query.get("msgmenucontent"), bizmsgmenuid: query.get("msgmenuid") };
    return button(label, () => control("user_sends", { openid, fields }), { class: "inline" });
  }
  if (!/^https?:\/\//i.test(href)) return label;
  return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
}

/**
 * What the account shows a customer.
 * @param {Record<string, any>} payload
 * @param {string} openid
 * @param {boolean} isTapped
 * @returns {HTMLElement}
 */
export function payloadNode(payload, openid, isTapped) {
  const kind = payload.msgtype;
  const content = payload[kind] ?? {};
  switch (kind) {
    case "text":
      return textNode(content.content, openid, isTapped);
    case "image":
      return picture(content.media_id);
    case "news":
      return element("span", {}, ...(content.articles ?? []).map(article));
    case "msgmenu":
      return menu(content, openid, isTapped);
    case "voice":
    case "video":
      return card(kind, content.title ?? "", content.description ?? "", mediaUrl(content.media_id));
    default:
      return card(kind, content.title ?? content.card_id ?? "", content.description ?? content.pagepath ?? "", content.musicurl ?? content.url);
  }
}

/**
 * What a customer wrote.
 * @param {Record<string, any>} fields
 * @returns {HTMLElement}
 */
export function fieldsNode(fields) {
  const kind = fields.MsgType;
  if (kind === "text") return element("span", { class: "text" }, String(fields.Content));
  if (kind === "image") return picture(fields.MediaId);
  const title = fields.Title ?? fields.Label ?? "";
  return card(kind, title, fields.Description ?? "", fields.MediaId ? mediaUrl(fields.MediaId) : fields.Url);
}

/**
 * @param {string} mediaId
 */
function picture(mediaId) {
  const shown = element("img", { src: mediaUrl(mediaId), alt: word("kind_image"), class: "picture" });
  // Not every file is one that a browser can show.
  shown.addEventListener("error", () => shown.replaceWith(card("image", "", "", mediaUrl(mediaId))));
  return shown;
}

/**
 * @param {Record<string, string>} content
 */
function article(content) {
  return card("news", content.title, content.description, content.url);
}

/**
 * @param {string} kind
 * @param {string} title
 * @param {string} description
 * @param {string} [target]
 */
function card(kind, title, description, target) {
  const key = `kind_${kind}`;
  const name = word(key) === key ? word("kind_other", { kind }) : word(key);
  const shown = element("span", { class: "card" }, element("span", { class: "kind" }, name));
  const label = title || (target ?? "");
  const isLink = target !== undefined && (/^https?:\/\//i.test(target) || target.startsWith("media?"));
  if (isLink) {
    const text = title || (target.startsWith("media?") ? name : target);
    shown.append(element("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, text));
  } else if (label) {
    shown.append(element("strong", {}, label));
  }
  if (description) shown.append(element("span", {}, description));
  return shown;
}

/**
 * @param {{head_content?: string, tail_content?: string, list: {id: string, content: string}[]}} content
 * @param {string} openid
 * @param {boolean} isTapped
 */
function menu(content, openid, isTapped) {
  const shown = element("span", { class: "menu" });
  if (content.head_content) shown.append(element("span", { class: "text" }, content.head_content));
  for (const item of content.list) {
    const choice = { class: "choice" };
    const pick = () => control("picks", { openid, item_id: item.id });
    shown.append(isTapped ? button(item.content, pick, choice) : element("span", choice, item.content));
  }
  if (content.tail_content) shown.append(element("span", { class: "text" }, content.tail_content));
  return shown;
}
