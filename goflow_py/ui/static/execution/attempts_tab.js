/** The attempts: what was sent, what came back, and the line that sends it again. */

import { readJson } from "../core/exact.js";
import { bytes, count, dateTime, span, timeOfDay } from "../core/format.js";
import { href, route, setQuery } from "../core/router.js";
import { Copy } from "../parts/copy.js";
import { Json } from "../parts/json.js";
import { Status } from "../parts/status.js";
import { html, useMemo } from "../vendor/preact.js";
import { nameOf } from "./entries.js";
import { idOf } from "./timeline.js";
import { UnfoldingList } from "./unfolding.js";

/** @typedef {import("./types.js").Attempt} Attempt */

const ROW_HEIGHT = 32;

/** @param {{attempts: Attempt[], earlier: number | null, isRead: boolean}} props */
export function AttemptsTab({ attempts, earlier, isRead }) {
  const { attempt = null, failed = "" } = route.value.query;
  const rows = useMemo(() => {
    const some =
      failed === ""
        ? attempts
        : attempts.filter(({ outcome }) => outcome !== null && outcome !== "success");
    return some.map((item) => ({ id: idOf(item), item })).reverse();
  }, [attempts, failed]);
  if (!isRead) return html`<p class="loading">…</p>`;
  if (attempts.length === 0)
    return html`<p class="empty">No attempt was made yet: no work called a worker.</p>`;
  const isOpen = attempt === null || rows.some(({ id }) => id === attempt);
  return html`
    <div class="row chips">
      <button type="button" class="chip" aria-pressed=${failed === ""} onClick=${() => setQuery({ failed: "" })}>All ${count(attempts.length)}</button>
      <button type="button" class="chip" aria-pressed=${failed !== ""} onClick=${() => setQuery({ failed: "1" })}>Not successful</button>
      ${earlier !== 0 && html`<small>${earlier === null ? "the" : count(earlier)} earlier ones are in the history only</small>`}
      ${!isOpen && html`<small>the attempt of this address is not among these</small>`}
    </div>
    <${UnfoldingList}
      rows=${rows} rowHeight=${ROW_HEIGHT} open=${attempt} onOpen=${(/** @type {string | null} */ id) => setQuery({ attempt: id })}
      line=${line} name=${spoken} label="attempts" detail=${(/** @type {Attempt} */ item) => html`<${Detail} attempt=${item} />`}
    />
    ${rows.length === 0 && html`<p class="empty">Every attempt was successful.</p>`}
  `;
}

/** @param {Attempt} attempt */
function line({
  task,
  action,
  attempt,
  visit,
  worker,
  priority,
  startedAt,
  outcome,
  httpStatus,
  ms,
  error,
}) {
  return html`
    ${startedAt === null ? html`<span>–</span>` : html`<time class="number" datetime=${startedAt} title=${dateTime(startedAt)}>${timeOfDay(startedAt)}</time>`}
    <span class="what">${nameOf({ task, action })} <small>#${attempt} · visit ${visit}</small></span>
    <${Status} status=${outcome ?? "open"} text=${outcome ?? "running"} />
    <span class="number took">${ms === null ? "" : span(ms)}</span>
    <span class="more muted">${[worker, priority > 1 && `p${priority}`, httpStatus && `HTTP ${httpStatus}`, error?.message].filter(Boolean).join(" · ")}</span>
  `;
}

/** @param {Attempt} attempt */
function spoken({ task, action, attempt, worker, outcome }) {
  return `${nameOf({ task, action })}, attempt ${attempt} by ${worker}: ${outcome ?? "running"}`;
}

/** @param {{attempt: Attempt}} props */
function Detail({ attempt }) {
  const {
    request,
    response,
    error,
    queueMs,
    queuedAt,
    deadline,
    taskDeadline,
    skipped,
    state,
    action,
    kind,
  } = attempt;
  /** @type {[string, any][]} */
  const facts = [
    ["state", html`<code>${state}</code>`],
    ["action", html`<code>${action}</code> <small>${kind}</small>`],
    [
      "queued",
      queuedAt && html`${timeOfDay(queuedAt)} <small>waited ${span(queueMs ?? 0)}</small>`,
    ],
    ["deadline", deadline && timeOfDay(deadline)],
    ["of all attempts", taskDeadline && timeOfDay(taskDeadline)],
    [
      "passed over",
      skipped !== null &&
        skipped.length > 0 &&
        skipped.map(
          (worker) => html`<a key=${worker} href=${href("workers")}><code>${worker}</code></a> `,
        ),
    ],
  ];
  return html`
    <dl class="traits">
      ${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${error !== null && html`<p class="problem"><strong>${error.message}</strong> <code>${error.code}</code></p>`}
    <div class="pair-of">
      <section><h3>Request</h3>${request === null ? html`<p class="muted">not kept: it was closed at once</p>` : html`<${Request} request=${request} />`}</section>
      <section><h3>Response</h3>${response === null || response === undefined ? html`<p class="muted">${attempt.outcome === null ? "none yet" : "none"}</p>` : html`<${Message} headers=${response.headers} body=${response.body} label="response" />`}</section>
    </div>
  `;
}

/** @param {{request: any}} props */
function Request({ request: { method, url, headers, body, bodyBytes, curl } }) {
  return html`
    ${url && html`<p class="mono url"><strong>${method}</strong> ${url}</p>`}
    <${Message} headers=${headers} body=${body} size=${bodyBytes} label="request" />
    ${curl && html`<p><${Copy} text=${curl} label="copy the line of curl">curl<//></p>`}
  `;
}

/** @param {{headers?: Record<string, string>, body: any, size?: number, label: string}} props */
function Message({ headers = {}, body, size, label }) {
  const value = useMemo(() => parsed(body), [body]);
  const names = Object.entries(headers);
  return html`
    ${
      names.length > 0 &&
      html`<details><summary>${names.length} header${names.length === 1 ? "" : "s"}</summary><dl class="headers">${names.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}</dl></details>`
    }
    ${size !== undefined && typeof body === "string" && size > body.length && html`<small>cut: ${bytes(size)} in all</small>`}
    ${value.isJson ? html`<${Json} value=${value.json} label=${label} />` : html`<pre class="text">${value.text || "empty"}</pre>`}
  `;
}

/**
 * A body as JSON where it is some; a body that is no text was handed over as it is.
 *
 * @param {any} body
 * @returns {{isJson: boolean, json?: any, text?: string}}
 */
function parsed(body) {
  if (typeof body !== "string") return { isJson: true, json: body };
  try {
    return { isJson: true, json: readJson(body) };
  } catch {
    return { isJson: false, text: body };
  }
}
