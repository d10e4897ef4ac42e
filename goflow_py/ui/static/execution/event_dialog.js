/** Sends an event: which, and what comes with it, as its schema says. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { initialValue } from "../core/schema_form.js";
import { Act } from "../parts/act.js";
import { SchemaForm } from "../parts/form.js";
import { say } from "../parts/toast.js";
import { html, useEffect, useState } from "../vendor/preact.js";
import { callOf } from "./verb_calls.js";
import { sendableEvents, verbOf } from "./verb_rules.js";

/** @typedef {import("./verbs.js").DialogProps} DialogProps */

const OTHER = "…";

/** @param {DialogProps} props */
export function EventDialog({ execution: live, graph = null, given = {}, onDone, onClose }) {
  // It may go on while somebody writes: what was offered stays.
  const [execution] = useState(live);
  const events = sendableEvents(execution, graph);
  const [picked, setPicked] = useState(/** @type {string} */ (given.name ?? placeOf(events[0])));
  const [name, setName] = useState("");
  const event =
    events.find((one) => placeOf(one) === picked) ?? events.find((one) => one.name === picked);
  const wanted = picked === OTHER ? name : (event?.name ?? picked);
  const declared = useDeclared(execution);
  const schema = event?.awaited?.schema ?? declared?.[wanted]?.schema;
  const [data, setData] = useState(/** @type {any} */ (undefined));
  const [isValid, setValid] = useState(true);
  const [errors, setErrors] = useState(/** @type {any[]} */ ([]));
  const shape = JSON.stringify(schema);
  useEffect(() => {
    setData(schema === undefined ? undefined : initialValue(schema));
    setErrors([]);
  }, [wanted, shape]);
  const change = (/** @type {any} */ value, ok = true) => {
    setData(value);
    setValid(ok);
  };
  const call =
    isValid && wanted !== ""
      ? callOf("event", execution, { name: wanted, data, task: event?.task })
      : null;
  const done = (/** @type {import("../core/api.js").Answer} */ { status, body }) => {
    onClose();
    say(status === 202 ? `${wanted} is kept for later` : saidOf(wanted, body.respond));
    onDone?.(body.execution);
  };
  return html`
    <${Act}
      title="Send event" verb=${verbOf("event").verb} call=${call} onDone=${done} onClose=${onClose}
      onProblem=${(/** @type {any} */ error) => setErrors(below(error?.body?.errors ?? []))}
    >
      <${Choose} events=${events} picked=${picked} onPick=${setPicked} />
      ${
        picked === OTHER &&
        html`<label>Name <input type="text" value=${name} onInput=${(/** @type {any} */ input) => setName(input.target.value.trim())} /></label>`
      }
      <p class="says">${meaningOf(execution, event, declared?.[wanted]?.description)}</p>
      <${SchemaForm} key=${wanted + shape} schema=${schema ?? true} value=${data} onChange=${change} errors=${errors} label="data" />
    <//>
  `;
}

/**
 * @param {{events: ReturnType<typeof sendableEvents>, picked: string, onPick: (place: string) => void}} props
 */
function Choose({ events, picked, onPick }) {
  const option = (/** @type {ReturnType<typeof sendableEvents>[number]} */ event) => html`
    <option key=${placeOf(event)} value=${placeOf(event)}>${event.name}${event.task ? ` (for ${event.task})` : ""}</option>
  `;
  const now = events.filter(({ isAccepted }) => isAccepted);
  const later = events.filter(({ isAccepted }) => !isAccepted);
  return html`
    <label>
      Event
      <select value=${picked} onChange=${(/** @type {any} */ event) => onPick(event.target.value)}>
        ${now.length > 0 && html`<optgroup label="accepted now">${now.map(option)}</optgroup>`}
        ${later.length > 0 && html`<optgroup label="accepted in other states">${later.map(option)}</optgroup>`}
        <option value=${OTHER}>another…</option>
      </select>
    </label>
  `;
}

/**
 * The events that the blueprint declares, once they were read.
 *
 * @param {import("./types.js").Execution} execution
 * @returns {Record<string, {schema?: any, description?: string}> | undefined}
 */
function useDeclared({ project, activity, version }) {
  const read = useLoad(
    (signal) => get(path`/v1/blueprints/${project}/${activity}/versions/${version}`, {}, signal),
    [project, activity, version],
  );
  return read.value?.blueprint.events;
}

/** @param {{name: string, task?: string} | undefined} event */
function placeOf(event) {
  if (event === undefined) return OTHER;
  return event.task === undefined ? event.name : `${event.name} ${event.task}`;
}

/**
 * @param {import("./types.js").Execution} execution
 * @param {ReturnType<typeof sendableEvents>[number] | undefined} event
 * @param {string | undefined} description
 */
function meaningOf({ status, state }, event, description = "") {
  const fate = event?.isAccepted
    ? "It is accepted now."
    : `In '${state}' nothing waits for it: it is refused, or kept if the state defers it.`;
  const kept = "It is paused: the event is kept, and taken when it is resumed.";
  const role = event?.awaited?.role;
  return [
    description,
    status === "paused" ? kept : fate,
    role && `It takes a key with the role ${role}.`,
  ]
    .filter(Boolean)
    .join(" ");
}

const BRIEF = 120;

/**
 * @param {string} name
 * @param {any} respond
 */
function saidOf(name, respond) {
  if (respond === undefined || respond === null) return `${name} was applied`;
  const text = JSON.stringify(respond);
  return html`${name} was applied: <code>${text.length > BRIEF ? `${text.slice(0, BRIEF)}…` : text}</code>`;
}

/**
 * Problems of the data, with pointers into it.
 *
 * @param {{pointer: string, message: string}[]} errors
 */
function below(errors) {
  return errors.map(({ pointer, message }) => ({
    pointer: pointer.replace(/^\/data(?=\/|$)/, ""),
    message,
  }));
}
