/** Start an execution: a form from the input schema, and what else a start can say. */

import { lastInputs } from "../blueprint/words.js";
import { get, newIdempotencyKey, Problem, send } from "../core/api.js";
import { path } from "../core/calls.js";
import { brief } from "../core/json_lines.js";
import { useBlueprints, useLoad } from "../core/load.js";
import { go, href, route, setQuery } from "../core/router.js";
import { initialValue } from "../core/schema_form.js";
import { CurlLine } from "../parts/act.js";
import { Activities } from "../parts/activities.js";
import { SchemaForm } from "../parts/form.js";
import { ProblemBox } from "../parts/problem.js";
import { Ago } from "../parts/time.js";
import { say } from "../parts/toast.js";
import { html, useEffect, useMemo, useState } from "../vendor/preact.js";

const LOOKED_AT = 50;
const OFFERED_MAX = 8;
/** The curl of a larger input helps nobody. */
const CURL_MAX = 20_000;

/** How labels are written: names as the API takes them. */
const LABELS = { type: "object", additionalProperties: { type: "string", maxLength: 255 } };

export default function Start() {
  const [project = "", activity = ""] = route.value.args;
  return activity === ""
    ? html`<${Choose} />`
    : html`<${StartOne} project=${project} activity=${activity} />`;
}

/** Asked for without saying what. */
function Choose() {
  return html`
    <div class="head"><h1>Start what?</h1></div>
    <${Activities} page="start" all=${useBlueprints()} />
  `;
}

/** @param {{project: string, activity: string}} props */
function StartOne({ project, activity }) {
  const { version, from } = route.value.query;
  const { value, error, reload } = useLoad(
    async (signal) => {
      const [shown, { items }, model] = await Promise.all([
        get(path`/v1/blueprints/${project}/${activity}`, { version }, signal),
        get(path`/v1/blueprints/${project}/${activity}/versions`, {}, signal).catch(() => ({
          items: [],
        })),
        from ? get(path`/v1/executions/${from}`, {}, signal).catch(() => null) : null,
      ]);
      return { shown, versions: items, model };
    },
    [project, activity, version, from],
  );
  if (error)
    return html`<h1>Start ${project} / ${activity}</h1><${ProblemBox} error=${error} onRetry=${reload} />`;
  if (value === null) return html`<p class="loading">…</p>`;
  return html`<${StartForm} key=${`${value.shown.hash} ${from}`} ...${value} />`;
}

/** @typedef {{input: any, key: string, labels: any, delay: string}} Draft */

/** @param {{shown: any, versions: any[], model: any}} props */
function StartForm({ shown, versions, model }) {
  const { project, activity, version, blueprint } = shown;
  const schema = blueprint.input;
  const [draft, setDraft] = useState(
    /** @type {Draft} */ ({
      input: model === null ? (initialValue(schema) ?? {}) : model.input,
      key: "",
      labels: model?.labels ?? {},
      delay: "",
    }),
  );
  const [isValid, setValid] = useState(true);
  const set = (/** @type {Partial<Draft>} */ patch) => setDraft((old) => ({ ...old, ...patch }));
  const isPinned = route.value.query.version !== undefined;
  const call = useMemo(() => callOf(shown, draft, isPinned), [shown, draft, isPinned]);
  const { submit, isBusy, error } = useSubmit(call);
  const errors = error instanceof Problem && error.code === "schema" ? error.body.errors : [];
  const isLarge = JSON.stringify(draft.input)?.length > CURL_MAX;
  return html`
    <div class="head">
      <h1>Start <a href=${href("blueprint", [project, activity])}>${project} / ${activity}</a></h1>
      <select aria-label="version" value=${version} onChange=${(/** @type {any} */ event) => setQuery({ version: event.target.value })}>
        ${versions.map((one, at) => html`<option key=${one.version} value=${one.version}>version ${one.version}${at === 0 ? " (latest)" : ""}</option>`)}
      </select>
    </div>
    ${blueprint.description && html`<p class="about">${blueprint.description}</p>`}
    <div class="start">
      <form class="card" onSubmit=${submit} novalidate>
        <header><h2 class="grow">Input</h2>${schema === undefined && html`<small>the blueprint has no schema for it: any JSON will do</small>`}</header>
        <div class="body">
          <${SchemaForm}
            schema=${schema} value=${draft.input} errors=${errors} label="input"
            onChange=${(/** @type {any} */ input, /** @type {boolean} */ fits) => {
              set({ input });
              setValid(fits);
            }}
          />
          <${Further} draft=${draft} set=${set} blueprint=${blueprint} />
          <${Refused} error=${error} errors=${errors} />
          <p class="row">
            <button type="submit" class="primary" disabled=${isBusy || !isValid}>${isBusy ? "…" : "Start"}</button>
            <small>${isPinned && `on version ${version}`}</small>
          </p>
          ${isLarge ? null : html`<${CurlLine} call=${call} />`}
        </div>
      </form>
      <${LastInputs} project=${project} activity=${activity} example=${blueprint.meta?.example?.input} onPick=${(
        /** @type {any} */ input,
      ) => {
        set({ input });
        setValid(true);
      }} />
    </div>
  `;
}

/**
 * Why it was not started; what is wrong with the input stands beside its fields.
 *
 * @param {{error: Error | null, errors: {pointer: string}[]}} props
 */
function Refused({ error, errors }) {
  useEffect(() => {
    if (errors.length === 0) return;
    const first = document.querySelector('.start [aria-invalid="true"]');
    /** @type {HTMLElement | null} */ (first)?.focus();
  }, [error]);
  if (errors.length === 0) return html`<${ProblemBox} error=${error} />`;
  const many = errors.length === 1 ? "One thing does" : `${errors.length} things do`;
  return html`<p class="wrong" role="alert">It was not started. ${many} not fit: see the fields in red.</p>`;
}

/** @param {{draft: Draft, set: (patch: Partial<Draft>) => void, blueprint: any}} props */
function Further({ draft, set, blueprint }) {
  const field = (
    /** @type {"key" | "delay"} */ name,
    /** @type {string} */ label,
    /** @type {any} */ hint,
  ) => html`
    <div class="field">
      <label class="name" for=${`start-${name}`}>${label}</label>
      <input id=${`start-${name}`} type="text" autocomplete="off" value=${draft[name]} onInput=${(/** @type {any} */ event) => set({ [name]: event.target.value })} />
      <small>${hint}</small>
    </div>
  `;
  const key = blueprint.key
    ? html`without one, it is <code>${brief(blueprint.key)}</code>`
    : "an order number, a name: while one runs with it, a second start answers with that one";
  return html`
    <details class="further" open=${draft.key !== "" || draft.delay !== "" || Object.keys(draft.labels ?? {}).length > 0}>
      <summary>Business key, labels, delay</summary>
      <div class="form">
        ${field("key", "business key", key)}
        ${field("delay", "delay", html`<code>30s</code>, <code>5m</code>, <code>2h</code>: it begins that much later`)}
        <div class="field"><span class="name">labels</span><div class="form labels"><${SchemaForm} schema=${LABELS} value=${draft.labels} onChange=${(/** @type {any} */ labels) => set({ labels })} label="labels" /></div></div>
      </div>
    </details>
  `;
}

/** @param {{project: string, activity: string, example: any, onPick: (input: any) => void}} props */
function LastInputs({ project, activity, example, onPick }) {
  const { value } = useLoad(
    (signal) => get("/v1/executions", { project, activity, limit: LOOKED_AT }, signal),
    [project, activity],
  );
  const some = useMemo(() => lastInputs(value?.items ?? [], OFFERED_MAX), [value]);
  const line = (/** @type {any} */ input, /** @type {any} */ note) => html`
    <li>
      <button type="button" onClick=${() => onPick(input)} title="fill the form with it">
        <code>${brief(input, 140)}</code>
        <small>${note}</small>
      </button>
    </li>
  `;
  return html`
    <section class="card last">
      <header><h2>Inputs</h2><small>fill the form with one</small></header>
      ${some.length === 0 && example === undefined && html`<p class="empty">Nothing was started yet. What is, can be started from here again.</p>`}
      <ul>
        ${example !== undefined && line(example, "the blueprint's example")}
        ${some.map(({ input, key, startedAt }) => line(input, html`${key} <${Ago} at=${startedAt} />`))}
      </ul>
    </section>
  `;
}

/**
 * The call that starts it; what is not said is left out.
 *
 * @param {any} shown
 * @param {Draft} draft
 * @param {boolean} isPinned
 */
function callOf({ project, activity, version }, { input, key, labels, delay }, isPinned) {
  const body = {
    input,
    ...(key.trim() && { key: key.trim() }),
    ...(Object.keys(labels ?? {}).length > 0 && { labels }),
    ...(delay.trim() && { delay: delay.trim() }),
    ...(isPinned && { version }),
  };
  return { method: "POST", path: path`/v1/activities/${project}/${activity}/executions`, body };
}

/**
 * Make the call once; after a lost answer it is repeated with the same key.
 *
 * @param {import("../core/calls.js").Call} call
 */
function useSubmit(call) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const key = useMemo(newIdempotencyKey, [JSON.stringify(call)]);
  useEffect(() => setError(null), [call.path]);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      const { status, body } = await send({ ...call, headers: { "Idempotency-Key": key } });
      say(status === 201 ? "it is started" : "one with this key runs already: this is it");
      go("execution", [body.id]);
    } catch (problem) {
      setError(/** @type {Error} */ (problem));
      setBusy(false);
    }
  };
  return { submit, isBusy, error };
}
