/** The dialog of a verb: its fields, and the call. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { shortId } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { go, href } from "../core/router.js";
import { Act } from "../parts/act.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";
import { EventDialog } from "./event_dialog.js";
import { callOf } from "./verb_calls.js";
import { FIELDS, Reason } from "./verb_fields.js";
import { verbOf } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */
/** @typedef {import("./types.js").Graph} Graph */
/** @typedef {import("./verbs.js").DialogProps} DialogProps */

/** Those whose fields name states or events. */
const NEEDS_GRAPH = new Set(["skip", "goto", "replay", "event"]);

/** @param {DialogProps} props */
export function VerbDialog(props) {
  const { verb, execution, graph = null } = props;
  const needs = graph === null && NEEDS_GRAPH.has(verb);
  const read = useLoad(
    async (signal) => (needs ? get(path`/v1/executions/${execution.id}/graph`, {}, signal) : null),
    [execution.id, needs],
  );
  const known = graph ?? read.value;
  if (verb === "event") return html`<${EventDialog} ...${props} graph=${known} />`;
  return html`<${PlainDialog} ...${props} graph=${known} />`;
}

/** @param {DialogProps & {graph: Graph | null}} props */
function PlainDialog({ verb, execution, graph, given: first = {}, onDone, onClose }) {
  const { label, says, verb: word, isDangerous } = verbOf(verb);
  // What is decided is decided on what was seen, even if the execution goes on meanwhile.
  const [seen] = useState(execution);
  const [given, setGiven] = useState(first);
  const [invalid, setInvalid] = useState(/** @type {string[]} */ ([]));
  const set = (/** @type {string} */ name, /** @type {any} */ value, isValid = true) => {
    setGiven((old) => ({ ...old, [name]: value }));
    setInvalid((old) => [...old.filter((one) => one !== name), ...(isValid ? [] : [name])]);
  };
  const Fields = FIELDS[verb];
  const done = (/** @type {import("../core/api.js").Answer} */ answer) => {
    onClose();
    tell(verb, seen, answer);
    onDone?.(verb === "fork" ? undefined : answer.body);
  };
  return html`
    <${Act}
      title=${label.replace("…", "")} says=${says} verb=${word} isDangerous=${isDangerous}
      call=${invalid.length === 0 ? callOf(verb, seen, given) : null} isRepeatable=${verb !== "delete"}
      onDone=${done} onClose=${onClose}
    >
      ${Fields && html`<${Fields} execution=${seen} graph=${graph} given=${given} set=${set} />`}
      ${verb !== "delete" && verb !== "data" && html`<${Reason} given=${given} set=${set} />`}
    <//>
  `;
}

/**
 * @param {string} verb
 * @param {Execution} seen
 * @param {import("../core/api.js").Answer} answer
 */
function tell(verb, seen, answer) {
  if (verb === "delete") {
    say(html`Deleted <code>${shortId(seen.id)}</code>`);
    go("executions");
  } else if (verb === "fork") {
    say(
      html`Forked from <a href=${href("execution", [seen.id])}><code>${shortId(seen.id)}</code></a>`,
    );
    go("execution", [answer.body.id]);
  } else say(`${verbOf(verb).label.replace("…", "")}: done`);
}
