/** One task: what it is about, claiming it, and ending it by its form. */

import { path } from "../core/calls.js";
import { href } from "../core/router.js";
import { initialValue } from "../core/schema_form.js";
import { Act } from "../parts/act.js";
import { SchemaForm } from "../parts/form.js";
import { Json } from "../parts/json.js";
import { Ago } from "../parts/time.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";
import { person } from "./person.js";
import { Send } from "./send.js";

/**
 * Tokens of the tasks that were claimed in this tab. The same person claims again and gets the same
 * one, so none needs to be kept for longer.
 *
 * @type {Map<string, string>}
 */
const tokens = new Map();

/** @param {{task: any, onChange: () => void}} props */
export function TaskDesk({ task, onChange }) {
  const [token, setToken] = useState(tokens.get(task.id) ?? null);
  const claimed = (/** @type {any} */ { body }) => {
    tokens.set(task.id, body.token);
    setToken(body.token);
    onChange();
  };
  const ended = (/** @type {any} */ word) => () => {
    tokens.delete(task.id);
    setToken(null);
    onChange();
    say(word);
  };
  return html`
    <section class="card desk" aria-label=${`task ${task.action}`}>
      <header>
        <h2>${task.action}</h2>
        <span class="muted">${task.project}/${task.activity}, state ${task.state}</span>
        <span class="grow"></span>
        <a href=${href("execution", [task.executionId])}>its execution</a>
      </header>
      <div class="body">
        <p class="muted">
          On the queue ${task.queue} since <${Ago} at=${task.since} />${task.assignedTo && ` for ${task.assignedTo}`}.
          ${task.attempts > 0 && ` Attempt ${task.attempts}.`}
          ${task.leaseUntil && html` The claim lapses <${Ago} at=${task.leaseUntil} />.`}
        </p>
        <h3>What it is about</h3>
        <${Json} value=${task.input} label="input" />
        ${
          task.type === "human"
            ? token === null
              ? html`<${Claim} task=${task} onDone=${claimed} />`
              : html`<${Ending} task=${task} token=${token} onEnd=${ended} />`
            : html`<p class="muted">A pull worker fetches it from its queue.</p>`
        }
      </div>
    </section>
  `;
}

/** @param {{task: any, onDone: (answer: import("../core/api.js").Answer) => void}} props */
function Claim({ task, onDone }) {
  const who = person.value.trim();
  const call =
    who === ""
      ? null
      : { method: "POST", path: path`/v1/tasks/${task.id}` + ":claim", body: { worker: who } };
  return html`
    ${who === "" && html`<p>Say above who you are, and claim it.</p>`}
    <${Send} verb=${who === "" ? "Claim it" : `Claim it as ${who}`} call=${call} onDone=${onDone} isPrimary />
  `;
}

/** @param {{task: any, token: string, onEnd: (word: string) => () => void}} props */
function Ending({ task, token, onEnd }) {
  const [output, setOutput] = useState(() => initialValue(task.form ?? {}));
  const [isValid, setValid] = useState(true);
  const [event, setEvent] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  const [isFailing, setFailing] = useState(false);
  const where = path`/v1/tasks/${task.id}`;
  const change = (/** @type {any} */ value, /** @type {boolean} */ fits) => {
    setOutput(value);
    setValid(fits);
  };
  const body = { token, output, ...(event === "" ? {} : { event }) };
  return html`
    <h3>How it ends</h3>
    <${SchemaForm} schema=${task.form ?? {}} value=${output} onChange=${change} errors=${error?.body?.errors ?? []} />
    ${task.labels.length > 0 && html`<${Outcome} labels=${task.labels} event=${event} onPick=${setEvent} />`}
    <div class="row">
      <${Send} verb="Complete" call=${isValid ? { method: "POST", path: `${where}:complete`, body } : null} onDone=${onEnd("completed")} onError=${setError} isPrimary />
      <button type="button" onClick=${() => setFailing(true)}>It cannot be done…</button>
      <${Send} verb="Give it back" call=${{ method: "POST", path: `${where}:release`, body: { token } }} onDone=${onEnd("on its queue again")} />
    </div>
    ${isFailing && html`<${Fail} where=${where} token=${token} onDone=${onEnd("ended as an error")} onClose=${() => setFailing(false)} />`}
  `;
}

/** @param {{labels: string[], event: string, onPick: (event: string) => void}} props */
function Outcome({ labels, event, onPick }) {
  const choice = (/** @type {any} */ value, /** @type {any} */ text) => html`
    <label class="row"><input type="radio" name="outcome" checked=${event === value} onChange=${() => onPick(value)} /> ${text}</label>
  `;
  return html`<fieldset class="row"><legend>outcome</legend>${choice("", "success")}${labels.map((one) => choice(one, one))}</fieldset>`;
}

/** @param {any} props */
function Fail({ where, token, onDone, onClose }) {
  const [code, setCode] = useState("cannot_be_done");
  const [message, setMessage] = useState("");
  const [retry, setRetry] = useState(false);
  const call =
    code.trim() === ""
      ? null
      : {
          method: "POST",
          path: `${where}:fail`,
          body: { token, code: code.trim(), message, retry },
        };
  return html`
    <${Act}
      title="It cannot be done" says="The task ends as an error; the blueprint says what follows." verb="End it as an error"
      isDangerous isRepeatable=${false} call=${call} onDone=${onDone} onClose=${onClose}
    >
      <label>Code <input value=${code} maxlength="64" onInput=${(event) => setCode(event.target.value)} /></label>
      <label>Why <input value=${message} maxlength="1000" onInput=${(event) => setMessage(event.target.value)} /></label>
      <label class="row"><input type="checkbox" checked=${retry} onChange=${(event) => setRetry(event.target.checked)} /> somebody else may try, while retries are left</label>
    <//>
  `;
}
