// What the stand-in has told: entries, customers, agents. Bounded, whatever happens.

/**
 * @typedef {{openid: string, follows: boolean, muted: boolean, blacklisted: boolean, messages: number,
 *   until: string | null, typing_until: string | null, session: "none" | "served" | "waiting",
 *   kf_account: string | null, since: string | null}} Customer
 * @typedef {{kf_account: string, kf_nick: string, is_bound: boolean, invite_wx: string | null, is_online: boolean,
 *   auto_accept: number, sessions: number}} Agent
 * @typedef {{n: number, kind: "call" | "happened" | "push" | "shown", at: string, openid: string | null,
 *   [field: string]: any}} Entry
 * @typedef {{appid: string, appids: string[], now: string, callback: string | null, agents: Agent[],
 *   customers: Customer[], entries: Entry[]}} News
 */

const KEPT = 4000;
const KEPT_OF_A_CUSTOMER = 1000;

export const store = {
  appid: "",
  /** @type {string[]} */
  appids: [],
  /** @type {string | null} */
  callback: null,
  /** @type {Agent[]} */
  agents: [],
  /** @type {Map<string, Customer>} The one of whom something was heard last is the last. */
  customers: new Map(),
  /** @type {Entry[]} Calls and pushes. */
  wire: [],
  /** @type {Map<string, Entry[]>} What concerns a customer. */
  threads: new Map(),
  /** How far the stand-in's clock is ahead of this page's, in milliseconds. */
  ahead: 0,
  /** Whether anything was ever heard. */
  isKnown: false,
};

/** @type {Map<number, Entry>} Pushes under way. */
const open = new Map();
/** @type {Set<(changed: Entry[], isWhole: boolean) => void>} */
const watchers = new Set();

/**
 * The stand-in's time, in milliseconds.
 */
export function now() {
  return performance.now() + store.ahead;
}

/**
 * Have a function called after each change, with the entries that are new or different.
 * @param {(changed: Entry[], isWhole: boolean) => void} watcher
 */
export function watch(watcher) {
  watchers.add(watcher);
}

/**
 * Draw everything again.
 */
export function redraw() {
  for (const watcher of watchers) watcher([], true);
}

/**
 * Take in what the stand-in tells.
 * @param {News} news
 * @param {boolean} isWhole  Whether it is all there is, in place of what was known.
 */
export function take(news, isWhole) {
  if (isWhole) {
    store.customers.clear();
    store.threads.clear();
    store.wire = [];
    open.clear();
  }
  store.appid = news.appid;
  store.appids = news.appids;
  store.callback = news.callback;
  store.agents = news.agents;
  store.ahead = Date.parse(news.now) - performance.now();
  store.isKnown = true;
  for (const customer of news.customers) {
    store.customers.delete(customer.openid);
    store.customers.set(customer.openid, customer);
  }
  const changed = news.entries.map(keep);
  if (store.wire.length > KEPT) store.wire.splice(0, store.wire.length - KEPT);
  for (const watcher of watchers) watcher(changed, isWhole);
}

/**
 * @param {Entry} entry
 * @returns {Entry} The entry that is kept, which an attempt's end has in common with its begin.
 */
function keep(entry) {
  const begun = entry.kind === "push" ? open.get(entry.id) : undefined;
  if (begun !== undefined) {
    open.delete(entry.id);
    return Object.assign(begun, { ...entry, n: begun.n });
  }
  if (entry.kind === "push" && entry.seconds === null) open.set(entry.id, entry);
  if (entry.kind === "push" || entry.kind === "call") store.wire.push(entry);
  if (entry.openid !== null) {
    const thread = store.threads.get(entry.openid) ?? [];
    thread.push(entry);
    if (thread.length > KEPT_OF_A_CUSTOMER) thread.splice(0, thread.length - KEPT_OF_A_CUSTOMER);
    store.threads.set(entry.openid, thread);
  }
  return entry;
}
