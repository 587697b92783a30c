// Making and finding elements, so that nothing is ever written as markup.

/**
 * Find an element that the page has.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, string | boolean | number | undefined>} [attributes]  true: without a value; false: not there.
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/**
 * Make a button.
 * @param {string} label
 * @param {() => void} press
 * @param {Record<string, string | boolean>} [attributes]
 * @returns {HTMLElement}
 */
export function button(label, press, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", press);
  return made;
}

/**
 * Fill a select with options and choose one, touching it only if something is different.
 * @param {HTMLSelectElement} select
 * @param {[value: string, label: string][]} options
 * @param {string} chosen
 */
export function fill(select, options, chosen) {
  const present = [...select.options].map((each) => `${each.value}\n${each.label}`).join("\n");
  if (present !== options.map(([value, label]) => `${value}\n${label}`).join("\n")) {
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  }
  select.value = chosen;
}

/**
 * Send a form's text on Enter, but not the Enter that ends the input of a Chinese word.
 * @param {HTMLFormElement} form
 * @param {HTMLTextAreaElement} area
 * @param {(text: string) => Promise<boolean>} send  Says whether it was sent.
 */
export function compose(form, area, send) {
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = area.value;
    if (!text.trim()) return;
    area.value = "";
    if (!(await send(text)) && !area.value) area.value = text;
    area.focus();
  });
}
