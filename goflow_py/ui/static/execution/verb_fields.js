/** The fields of the operators' verbs. */

import { count } from "../core/format.js";
import { Diff } from "../parts/diff.js";
import { JsonField } from "../parts/json.js";
import { html } from "../vendor/preact.js";
import { enterableStates, mergePatch, skipEvents } from "./verb_calls.js";
import { visitedStates } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */

/**
 * @typedef {object} FieldsProps
 * @property {Execution} execution
 * @property {Graph | null} graph
 * @property {Record<string, any>} given
 * @property {(name: string, value: any, isValid?: boolean) => void} set
 */

/** @type {Record<string, (props: FieldsProps) => any>} */
export const FIELDS = {
  retry: Retry,
  skip: Skip,
  goto: Goto,
  replay: Replay,
  fork: Fork,
  data: Data,
  delete: Delete,
};

/** @param {Pick<FieldsProps, "given" | "set">} props */
export function Reason({ given, set }) {
  return html`
    <label>
      Reason
      <input
        type="text" maxlength="500" placeholder="shown in the history" value=${given.reason ?? ""}
        onInput=${(/** @type {any} */ event) => set("reason", event.target.value)}
      />
    </label>
  `;
}

/**
 * @param {{label: string, value: string, options: string[], onPick: (value: string) => void, first?: string}} props
 */
function Choice({ label, value, options, onPick, first }) {
  return html`
    <label>
      ${label}
      <select value=${value} onChange=${(/** @type {any} */ event) => onPick(event.target.value)}>
        ${first !== undefined && html`<option value="">${first}</option>`}
        ${options.map((option) => html`<option key=${option} value=${option}>${option}</option>`)}
      </select>
    </label>
  `;
}

/** @param {{label: string, isOn: boolean, onChange: (isOn: boolean) => void}} props */
function Check({ label, isOn, onChange }) {
  return html`
    <label class="check">
      <input type="checkbox" checked=${isOn} onChange=${(/** @type {any} */ event) => onChange(event.target.checked)} />
      <span>${label}</span>
    </label>
  `;
}

/** @param {FieldsProps} props */
function Retry({ execution, given, set }) {
  if (execution.status !== "failed") return null;
  return html`
    <${Check}
      label="Enter the state anew: a new visit, all of its work again"
      isOn=${given.newVisit === true} onChange=${(/** @type {boolean} */ isOn) => set("newVisit", isOn)}
    />
  `;
}

/** @param {FieldsProps} props */
function Skip({ execution, graph, given, set }) {
  const events = graph === null ? ["success"] : skipEvents(graph, execution.state);
  return html`
    <${Choice}
      label="Event" value=${given.event ?? "success"} options=${events}
      onPick=${(/** @type {string} */ event) => set("event", event)}
    />
    <${JsonField} label="Output, as if the work had answered so" value=${given.output} onChange=${(/** @type {any} */ value, /** @type {boolean} */ ok) => set("output", value, ok)} />
  `;
}

/** @param {FieldsProps} props */
function Goto({ execution, graph, given, set }) {
  return html`
    <p>It is in <code>${execution.state}</code>.</p>
    <${Choice}
      label="State" first="choose…" value=${given.state ?? ""} options=${graph === null ? [] : enterableStates(graph)}
      onPick=${(/** @type {string} */ state) => set("state", state)}
    />
  `;
}

/** @param {FieldsProps} props */
function Replay({ graph, given, set }) {
  const tasks =
    graph?.nodes.find(({ id }) => id === given.from)?.tasks?.map(({ name }) => name) ?? [];
  const isAlone = given.downstream === false;
  return html`
    <${Choice}
      label="From" first="choose…" value=${given.from ?? ""} options=${graph === null ? [] : visitedStates(graph)}
      onPick=${(/** @type {string} */ state) => set("from", state)}
    />
    <${Check}
      label="Only the work of that state: its output is replaced, and nothing moves"
      isOn=${isAlone} onChange=${(/** @type {boolean} */ isOn) => set("downstream", !isOn)}
    />
    ${
      isAlone &&
      tasks.length > 0 &&
      html`<${Choice} label="Task" first="choose…" value=${given.task ?? ""} options=${tasks} onPick=${(/** @type {string} */ task) => set("task", task)} />`
    }
  `;
}

/** @param {FieldsProps} props */
function Fork({ execution, given, set }) {
  return html`
    <label>
      At seq
      <input
        type="number" min="0" max=${execution.revision} value=${given.at ?? ""}
        onInput=${(/** @type {any} */ event) => set("at", event.target.value === "" ? undefined : Number(event.target.value))}
      />
      <small>0 to ${count(execution.revision)}; the history and the context show them</small>
    </label>
    <${JsonField} label="Other variables (a merge patch)" value=${given.data} onChange=${(/** @type {any} */ value, /** @type {boolean} */ ok) => set("data", value, ok)} />
  `;
}

/** @param {FieldsProps} props */
function Data({ execution, given, set }) {
  return html`
    <${JsonField}
      label="Patch" value=${given.patch ?? {}} hint=${html`the variables are <code>${brief(execution.data)}</code>`}
      onChange=${(/** @type {any} */ value, /** @type {boolean} */ ok) => set("patch", value, ok)}
    />
    ${given.patch !== undefined && html`<${Diff} before=${execution.data} after=${mergePatch(execution.data, given.patch)} />`}
  `;
}

/** @param {FieldsProps} props */
function Delete({ execution }) {
  return html`<p>${count(execution.revision + 1)} entries of history go with it.</p>`;
}

const BRIEF = 400;

/** @param {any} value */
function brief(value) {
  const text = JSON.stringify(value);
  return text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text;
}
