/** One verb for many executions: first whom it would touch, then how far it is. */

import { send } from "../core/api.js";
import { count, shortId } from "../core/format.js";
import { href } from "../core/router.js";
import { html, useEffect, useId, useState } from "../vendor/preact.js";
import { Act } from "./act.js";
import { ARGUMENTS, argumentsOf, narrowed, VERBS } from "./batch_verbs.js";
import { JsonField } from "./json.js";
import { ProblemBox } from "./problem.js";

/**
 * @typedef {{ids: string[]} | {filter: Record<string, unknown>}} Target whom a batch is for
 * @typedef {{total: number, ids: string[]}} Preview
 */

const SHOWN = 6;
const PAUSE_MS = 300;

/**
 * Ask for a batch: nothing is done before the server has said how many it would be.
 *
 * @param {{verb: string, target: Target, statusOf: (id: string) => string | null, onDone: (batch: any) => void, onClose: () => void}} props
 *   `target` stays the same while the dialog is open
 */
export function BatchDialog({ verb, target, statusOf, onDone, onClose }) {
  const { word, says, isDangerous, fits } = VERBS[verb];
  const [fields, setFields] = useState(/** @type {Record<string, unknown>} */ ({}));
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const given = wrong === "" ? argumentsOf(verb, fields) : null;
  const less = "filter" in target ? narrowed(target.filter, fits) : null;
  const [isLess, setLess] = useState(true);
  const whom = less !== null && isLess ? { filter: less } : target;
  const body = {
    action: verb,
    ...whom,
    ...(given === null ? {} : { arguments: given }),
    ...(reason.trim() && { reason: reason.trim() }),
  };
  const { preview, error } = usePreview(
    given === null ? null : { action: verb, ...whom, arguments: given },
  );
  const isReady = given !== null && preview !== null && preview.total > 0;
  const set =
    (/** @type {string} */ name) =>
    (/** @type {unknown} */ value, isValid = true) => {
      setFields((old) => ({ ...old, [name]: value }));
      setWrong((old) => (isValid ? (old === name ? "" : old) : name));
    };
  const field = (/** @type {[string, any]} */ [name, one]) => html`
    <${Field} key=${name} field=${one} value=${/** @type {any} */ (fields[name])} onInput=${set(name)} />
  `;
  return html`
    <${Act}
      title=${`${word}: many executions`} says=${says} isDangerous=${isDangerous} onClose=${onClose} isWide
      verb=${preview === null ? word : `${word} ${count(preview.total)}`}
      call=${isReady ? { method: "POST", path: "/v1/batches", body } : null}
      onDone=${({ body: batch }) => onDone(batch)}
    >
      ${less !== null && html`<${Flag} label=${`only those that are ${fits.join(" or ")}`} value=${isLess} onInput=${setLess} />`}
      ${Object.entries(ARGUMENTS[verb] ?? {}).map(field)}
      <label>Reason <input maxlength="500" placeholder="stands in each history" value=${reason} onInput=${(event) => setReason(event.target.value)} /></label>
      <${ProblemBox} error=${error} />
      ${error === null && html`<${Touched} preview=${preview} isAsked=${given !== null} fits=${fits} statusOf=${statusOf} />`}
    <//>
  `;
}

/** @param {{field: any, value: any, onInput: (value: any, isValid?: boolean) => void}} props */
function Field({ field, value, onInput }) {
  const { label, hint, isJson, isFlag } = field;
  if (isJson)
    return html`<${JsonField} label=${label} hint=${hint} value=${value} onChange=${onInput} />`;
  if (!isFlag) {
    return html`<label>${label} <input placeholder=${hint} value=${value ?? ""} onInput=${(/** @type {any} */ event) => onInput(event.target.value)} /></label>`;
  }
  return html`<${Flag} label=${label} value=${value === true} onInput=${(/** @type {boolean} */ isSet) => onInput(isSet || undefined)} />`;
}

/** @param {{label: string, value: boolean, onInput: (isSet: boolean) => void}} props */
function Flag({ label, value, onInput }) {
  const id = useId();
  const flip = (/** @type {any} */ event) => onInput(event.target.checked);
  return html`<p><input id=${id} type="checkbox" checked=${value} onChange=${flip} /> <label for=${id} class="inline">${label}</label></p>`;
}

/**
 * What the dry run says.
 *
 * @param {{preview: Preview | null, isAsked: boolean, fits: readonly string[], statusOf: (id: string) => string | null}} props
 */
function Touched({ preview, isAsked, fits, statusOf }) {
  if (!isAsked)
    return html`<p class="touched muted">Fill in the fields to see whom this is for.</p>`;
  if (preview === null)
    return html`<p class="touched muted" role="status">counting whom this would touch…</p>`;
  const { total, ids } = preview;
  if (total === 0)
    return html`<p class="touched" role="status">This would touch no execution. Children are left to their parents, unless an activity is chosen.</p>`;
  const misfits = ids.filter((id) => !fits.includes(statusOf(id) ?? fits[0])).length;
  return html`
    <div class="touched" role="status">
      <p><strong>This would touch ${count(total)} ${total === 1 ? "execution" : "executions"}</strong>, e.g.</p>
      <ul class="touched-ids">
        ${ids.slice(0, SHOWN).map((id) => html`<li key=${id}><a href=${href("execution", [id])} target="_blank"><code>${shortId(id)}</code></a> <small>${statusOf(id)}</small></li>`)}
        ${total > SHOWN && html`<li>…</li>`}
      </ul>
      <p class="muted">
        It is for those that are ${fits.join(" or ")}${misfitText(misfits, ids.length)}. The others are skipped, and counted so.
      </p>
    </div>
  `;
}

/**
 * @param {number} misfits
 * @param {number} looked
 */
function misfitText(misfits, looked) {
  if (misfits === 0) return "";
  return looked === 1 ? "; this one is not" : `; of the first ${looked}, ${misfits} are not`;
}

/**
 * @param {Record<string, unknown> | null} body
 * @returns {{preview: Preview | null, error: Error | null}}
 */
function usePreview(body) {
  const [state, setState] = useState({
    preview: /** @type {Preview | null} */ (null),
    error: /** @type {Error | null} */ (null),
  });
  const text = JSON.stringify(body);
  useEffect(() => {
    setState({ preview: null, error: null });
    if (body === null) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      send(
        { method: "POST", path: "/v1/batches", body: { ...body, dryRun: true } },
        stop.signal,
      ).then(
        (answer) => setState({ preview: answer.body, error: null }),
        (error) => !stop.signal.aborted && setState({ preview: null, error }),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  return state;
}
