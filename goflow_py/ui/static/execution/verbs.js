/** The operators' verbs: a menu of them, and the dialog of each. */

import { later } from "../parts/later.js";
import { Menu } from "../parts/menu.js";
import { html, useState } from "../vendor/preact.js";
import { VERBS, whyNot } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */

/**
 * @typedef {object} DialogProps
 * @property {string} verb
 * @property {Execution} execution
 * @property {Graph | null} [graph] read when it is not given
 * @property {Record<string, any>} [given] what is filled in already
 * @property {(execution?: Execution) => void} [onDone] with the execution as it is then
 * @property {() => void} onClose
 */

const VerbDialog = later(async () => (await import("./verb_dialog.js")).VerbDialog);

/**
 * All verbs; those that make no sense now say why.
 *
 * @param {{execution: Execution, graph?: Graph | null, onDone?: (execution?: Execution) => void, label?: any}} props
 */
export function VerbMenu({ execution, graph = null, onDone, label = "Do…" }) {
  const [verb, setVerb] = useState(/** @type {string | null} */ (null));
  const items = VERBS.map(({ id, label: text, says, isDangerous }) => {
    const not = whyNot(id, execution, graph);
    return {
      label: text,
      run: () => setVerb(id),
      isDangerous,
      isOff: not !== null,
      why: not ?? says,
    };
  });
  return html`
    <${Menu} label=${label} name="what can be done" items=${items} />
    ${verb !== null && dialogOf(verb, execution, { graph, onDone, onClose: () => setVerb(null) })}
  `;
}

/**
 * The dialog of a verb.
 *
 * @param {string} verb
 * @param {Execution} execution
 * @param {Omit<DialogProps, "verb" | "execution">} rest
 */
export function dialogOf(verb, execution, rest) {
  return html`<${VerbDialog} key=${verb} verb=${verb} execution=${execution} ...${rest} />`;
}
