/** The inbox of people: what waits for somebody, and the form that ends it. */

import { get } from "../core/api.js";
import { useEvery, useLoad } from "../core/load.js";
import { route, setQuery } from "../core/router.js";
import { useShortcuts } from "../core/shortcuts.js";
import { ProblemBox } from "../parts/problem.js";
import { Status } from "../parts/status.js";
import { Ago } from "../parts/time.js";
import { person } from "../rooms/person.js";
import { TaskDesk } from "../rooms/task_desk.js";
import { html } from "../vendor/preact.js";

const READ_MS = 4_000;
const TASKS_MAX = 200;

export default function InboxPage() {
  const { task = "", queue = "", mine = "", type = "human" } = route.value.query;
  const wanted = {
    queue,
    type: type === "all" ? "" : type,
    assignedTo: mine ? person.value : "",
    limit: TASKS_MAX,
  };
  const { value, error, reload } = useLoad((signal) => get("/v1/tasks", wanted, signal), [wanted]);
  useEvery(reload, READ_MS);
  const items = value?.items ?? [];
  const picked = items.find((/** @type {any} */ item) => item.id === task) ?? null;
  useShortcuts(
    [
      { keys: "j", does: "next task", run: () => walk(items, task, 1) },
      { keys: "k", does: "task before", run: () => walk(items, task, -1) },
    ],
    [value, task],
  );
  return html`
    <div class="head">
      <h1>Inbox</h1>
      <div class="actions"><${Filters} queue=${queue} mine=${mine} type=${type} /></div>
    </div>
    <${ProblemBox} error=${error} onRetry=${reload} />
    <div class="inbox">
      <section class="card" aria-label="tasks">
        ${value !== null && items.length === 0 && html`<${NothingToDo} isFiltered=${queue !== "" || mine !== ""} />`}
        <ul class="tasks">${items.map((/** @type {any} */ item) => html`<${TaskLine} key=${item.id} item=${item} isPicked=${item.id === task} />`)}</ul>
        ${value?.next && html`<p class="empty">The oldest ${TASKS_MAX} are shown; there are more.</p>`}
      </section>
      ${picked && html`<${TaskDesk} key=${picked.id} task=${picked} onChange=${reload} />`}
      ${task === "" && items.length > 0 && html`<p class="empty">Choose a task to see what it is about, to claim it and to complete it.</p>`}
      ${!picked && task !== "" && value !== null && html`<p class="empty">This task is done, or was taken back.</p>`}
    </div>
  `;
}

/** @param {{queue: string, mine: string, type: string}} props */
function Filters({ queue, mine, type }) {
  const set = (/** @type {any} */ name) => (/** @type {any} */ event) =>
    setQuery({ [name]: event.target.value, task: "" });
  return html`
    <label class="row">I am <input size="10" placeholder="your name" value=${person.value} onInput=${(event) => (person.value = event.target.value)} /></label>
    <label class="row" title=${person.value === "" ? "say who you are first" : null}>
      <input type="checkbox" checked=${mine !== ""} disabled=${person.value === ""} onChange=${(event) => setQuery({ mine: event.target.checked ? "1" : "", task: "" })} />
      assigned to me
    </label>
    <input type="search" size="12" aria-label="queue" placeholder="queue" value=${queue} onChange=${set("queue")} />
    <select aria-label="kind of task" value=${type} onChange=${set("type")}>
      <option value="human">for people</option>
      <option value="pull">for pull workers</option>
      <option value="all">all</option>
    </select>
  `;
}

/** @param {{item: any, isPicked: boolean}} props */
function TaskLine({ item, isPicked }) {
  return html`
    <li>
      <button type="button" aria-current=${isPicked ? "true" : null} onClick=${() => setQuery({ task: item.id }, { push: true })}>
        <span class="row">
          <strong>${item.action}</strong>
          <span class="grow"></span>
          <${Status} status=${item.status} text=${item.claimedBy ? `claimed by ${item.claimedBy}` : item.status} />
        </span>
        <span class="row muted">
          <span>${item.project}/${item.activity}</span>
          ${item.key && html`<span>${item.key}</span>`}
          <span>queue ${item.queue}</span>
          ${item.assignedTo && html`<span>for ${item.assignedTo}</span>`}
          <span class="grow"></span>
          <${Ago} at=${item.since} />
        </span>
      </button>
    </li>
  `;
}

/** @param {{isFiltered: boolean}} props */
function NothingToDo({ isFiltered }) {
  return html`<p class="empty">
    ${isFiltered ? "Nothing fits these filters." : "Nothing waits for anybody. Tasks come from actions of the type human."}
  </p>`;
}

/**
 * @param {{id: string}[]} items
 * @param {string} current
 * @param {number} step
 */
function walk(items, current, step) {
  const at = items.findIndex(({ id }) => id === current);
  const next = items[Math.min(items.length - 1, Math.max(0, at + step))];
  if (next) setQuery({ task: next.id });
}
