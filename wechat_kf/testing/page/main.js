// Starts the parts of the page, and what concerns all of them: the account and the language.

import { startClock } from "./clock.js";
import { startDesk } from "./desk.js";
import { byId, fill } from "./dom.js";
import { listen, showLink } from "./events.js";
import { nameFaults, startFaults } from "./faults.js";
import { startPhone } from "./phone.js";
import { redraw, store, watch } from "./store.js";
import { choose, startWire } from "./wire.js";
import { switchLanguage, translate, word } from "./words.js";

function speak() {
  translate();
  nameFaults();
  showLink();
  const language = byId("language");
  language.textContent = word("language");
  language.setAttribute("aria-label", word("switch_language"));
  language.lang = document.documentElement.lang === "en" ? "zh-CN" : "en";
}

function drawAccounts() {
  const select = /** @type {HTMLSelectElement} */ (byId("appid"));
  byId("account").hidden = store.appids.length < 2;
  fill(select, store.appids.map((appid) => [appid, appid]), store.appid);
  byId("no-callback").hidden = !store.isKnown || store.callback !== null;
}

speak();
byId("language").addEventListener("click", () => {
  switchLanguage();
  speak();
  redraw();
});
byId("appid").addEventListener("change", (event) => listen(/** @type {HTMLSelectElement} */ (event.target).value));
/** @param {import("./store.js").Entry} entry */
const show = (entry) => {
  choose(entry);
  byId("details").scrollIntoView({ block: "nearest" });
};
watch(drawAccounts);
startClock();
startPhone(show);
startDesk(show);
startWire();
startFaults();
listen("");
