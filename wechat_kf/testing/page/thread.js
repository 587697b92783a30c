// A conversation: bubbles and notices, the latest of them.

import { button, element } from "./dom.js";
import { fieldsNode, payloadNode } from "./content.js";
import { store } from "./store.js";
import { explain, timeOfDay, word } from "./words.js";

/** @typedef {import("./store.js").Entry} Entry */

const AT_ONCE = 150;
const SEND = "/cgi-bin/message/custom/send";

export class Thread {
  /**
   * @param {HTMLElement} place
   * @param {"customer" | "agent"} reader  Whose words stand on the right.
   * @param {(entry: Entry) => void} choose  Shows an entry on the wire.
   */
  constructor(place, reader, choose) {
    this.place = place;
    this.reader = reader;
    this.choose = choose;
    this.openid = "";
    this.most = AT_ONCE;
    /** @type {Map<number, HTMLElement>} What is shown, by the entry's number. */
    this.shown = new Map();
    // Pictures grow when they are loaded, and the place with the window: who reads the end goes on reading it.
    this.isAtEnd = true;
    this.top = 0;
    place.addEventListener("scroll", () => this.scrolled(), { passive: true });
    const stay = () => this.isAtEnd && this.toEnd();
    place.addEventListener("load", stay, { capture: true });
    new ResizeObserver(stay).observe(place);
  }

  /**
   * Only who scrolls up leaves the end: what grew may put it farther away before this is called.
   */
  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.place;
    if (scrollHeight - scrollTop - clientHeight < 60) this.isAtEnd = true;
    else if (scrollTop < this.top) this.isAtEnd = false;
    this.top = scrollTop;
  }

  toEnd() {
    this.isAtEnd = true;
    this.place.scrollTop = this.place.scrollHeight;
    this.top = this.place.scrollTop;
  }

  /**
   * Show a customer's conversation from its end.
   * @param {string} openid
   */
  open(openid) {
    this.openid = openid;
    this.most = AT_ONCE;
    this.draw();
  }

  /**
   * Draw everything again.
   */
  draw() {
    this.shown.clear();
    const entries = store.threads.get(this.openid) ?? [];
    const made = [];
    let at = entries.length;
    while (at > 0 && made.length < this.most) {
      at -= 1;
      const node = this.make(entries[at]);
      if (node) made.push(node);
    }
    if (at > 0) made.push(this.olderButton());
    if (made.length === 0) made.push(element("p", { class: "empty" }, word("empty_thread")));
    this.place.replaceChildren(...made.reverse());
    this.toEnd();
  }

  /**
   * Show what is new, and what became different.
   * @param {Entry[]} changed
   */
  update(changed) {
    const ours = changed.filter((entry) => entry.openid === this.openid);
    if (ours.length === 0) return;
    if (ours.length > this.most) {
      // Of a flood only what stays is made.
      this.draw();
      return;
    }
    for (const entry of ours) {
      const before = this.shown.get(entry.n);
      const node = this.make(entry);
      if (before) before.replaceWith(...(node ? [node] : []));
      else if (node) this.place.append(node);
    }
    if (this.shown.size > 0) this.place.querySelector(".empty")?.remove();
    this.dropOld();
    if (this.isAtEnd) this.toEnd();
  }

  dropOld() {
    for (const [n, node] of this.shown) {
      if (this.shown.size <= this.most) return;
      node.remove();
      this.shown.delete(n);
      if (!this.place.querySelector(".older")) this.place.prepend(this.olderButton());
    }
  }

  olderButton() {
    const more = button(word("older"), () => {
      this.most += AT_ONCE;
      const fromEnd = this.place.scrollHeight - this.place.scrollTop;
      this.draw();
      this.place.scrollTop = this.place.scrollHeight - fromEnd;
    });
    return element("p", { class: "older" }, more);
  }

  /**
   * @param {Entry} entry
   */
  make(entry) {
    const node = this.node(entry);
    if (node) this.shown.set(entry.n, node);
    else this.shown.delete(entry.n);
    return node;
  }

  /**
   * @param {Entry} entry
   * @returns {HTMLElement | null}
   */
  node(entry) {
    switch (entry.kind) {
      case "happened":
        return entry.fields.MsgType === "event" ? notice(eventText(entry.fields)) : this.said(entry);
      case "shown":
        return this.answered(entry);
      case "push":
        return this.pushTrouble(entry);
      default:
        return this.callTrouble(entry);
    }
  }

  /**
   * @param {Entry} entry
   */
  said(entry) {
    const side = this.reader === "customer" ? "right" : "left";
    return bubble(side, fieldsNode(entry.fields), [timeOfDay(entry.at)]);
  }

  /**
   * @param {Entry} entry
   */
  answered(entry) {
    const via = word(`via_${entry.via}`);
    const who = entry.kf_account && entry.via === "custom" ? word("in_name_of", { via, agent: entry.kf_account }) : via;
    const named = entry.via === "agent" ? `${via} ${entry.kf_account}` : who;
    const made = bubble(
      this.reader === "customer" ? "left" : "right",
      payloadNode(entry.payload, entry.openid ?? "", this.reader === "customer"),
      [named, timeOfDay(entry.at)],
    );
    if (entry.payload.aimsgcontext?.is_ai_msg === 1) {
      made.querySelector(".bubble")?.after(element("span", { class: "ai" }, word("ai")));
    }
    made.classList.add(`via-${entry.via}`);
    return made;
  }

  /**
   * @param {Entry} entry
   */
  pushTrouble(entry) {
    if (entry.mistake) return this.trouble(entry, word("push_refused", { reason: entry.mistake }), "");
    const isOver = entry.seconds !== null;
    return isOver && entry.status === null ? this.trouble(entry, word("push_unanswered", { attempt: entry.attempt }), "") : null;
  }

  /**
   * @param {Entry} entry
   */
  callTrouble(entry) {
    if (entry.path !== SEND) return null;
    if (entry.status === null) return this.trouble(entry, word("lost_message"), "");
    if (!entry.errcode) return null;
    const refusal = /** @type {{errcode: number}} */ (/** @type {unknown} */ (entry));
    return this.trouble(entry, word("refused_message", { errcode: entry.errcode }), explain(refusal));
  }

  /**
   * @param {Entry} entry
   * @param {string} what
   * @param {string} why
   */
  trouble(entry, what, why) {
    const shown = element("div", { class: "item trouble" }, element("strong", {}, what));
    if (why) shown.append(element("span", {}, why));
    shown.append(button(word("see_wire"), () => this.choose(entry), { class: "inline" }));
    return shown;
  }
}

/**
 * @param {"left" | "right"} side
 * @param {HTMLElement} content
 * @param {string[]} about
 */
function bubble(side, content, about) {
  const small = element("span", { class: "about" }, about.join(" · "));
  return element("div", { class: `item ${side}` }, element("div", { class: "bubble" }, content), small);
}

/**
 * @param {string} text
 */
function notice(text) {
  return element("div", { class: "item notice" }, text);
}

/**
 * @param {Record<string, any>} fields
 */
function eventText(fields) {
  const key = `event_${fields.Event}`;
  const values = {
    key: fields.EventKey ?? "",
    agent: fields.KfAccount ?? "",
    from: fields.FromKfAccount ?? "",
    to: fields.ToKfAccount ?? "",
    event: fields.Event ?? "",
  };
  const text = word(key, values);
  return text === key ? word("event_other", values) : text;
}
