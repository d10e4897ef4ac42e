/** The page of one execution: how it stands, why, what happened, and what can be done. */

import { route, setQuery } from "../core/router.js";
import { useShortcuts } from "../core/shortcuts.js";
import { useTitle } from "../core/title.js";
import { childrenOf } from "../execution/entries.js";
import { GraphCard } from "../execution/graph_card.js";
import { Head } from "../execution/head.js";
import { useExecution } from "../execution/live.js";
import { TimelineCard } from "../execution/timeline_view.js";
import { whyNot } from "../execution/verb_rules.js";
import { dialogOf } from "../execution/verbs.js";
import { WhyCard } from "../execution/why_card.js";
import { later } from "../parts/later.js";
import { ProblemBox } from "../parts/problem.js";
import { Tabs } from "../parts/tabs.js";
import { say } from "../parts/toast.js";
import { html, useMemo, useState } from "../vendor/preact.js";

/** @typedef {import("../execution/types.js").Execution} Execution */
/** @typedef {import("../execution/live.js").Live} Live */

const HistoryTab = later(async () => (await import("../execution/history_tab.js")).HistoryTab);
const AttemptsTab = later(async () => (await import("../execution/attempts_tab.js")).AttemptsTab);
const ContextTab = later(async () => (await import("../execution/context_tab.js")).ContextTab);
const ValueTab = later(async () => (await import("../execution/value_tabs.js")).ValueTab);

const TABS = [
  { id: "history", label: "History" },
  { id: "attempts", label: "Attempts" },
  { id: "context", label: "Context" },
  { id: "input", label: "Input" },
  { id: "output", label: "Output" },
  { id: "json", label: "JSON" },
  { id: "text", label: "Graph as text" },
];

export default function Page() {
  const id = (route.value.args[0] ?? "").toLowerCase();
  return html`<${OnePage} key=${id} id=${id} />`;
}

/** @param {{id: string}} props */
function OnePage({ id }) {
  const { live, refresh, readEarlier } = useExecution(id);
  const { execution, why, graph, attempts, entries, error } = live;
  const [asked, setAsked] = useState(
    /** @type {{verb: string, given?: Record<string, any>} | null} */ (null),
  );
  const onVerb = (/** @type {string} */ verb, /** @type {Record<string, any>} */ given = {}) =>
    setAsked({ verb, given });
  const children = useMemo(() => childrenOf(entries), [entries]);
  // What was deleted, or forked, has another page.
  const onDone = (/** @type {Execution | undefined} */ after) => after && refresh(after);
  useKeys(live, onVerb);
  useTitle(execution && `${execution.status} · ${execution.activity}`);
  if (execution === null) {
    if (error === null) return html`<p class="loading">…</p>`;
    return html`<${ProblemBox} error=${error} onRetry=${() => refresh()} />`;
  }
  return html`
    <${Head} execution=${execution} graph=${graph} children=${children} isLive=${live.isLive} onVerb=${onVerb} onDone=${onDone} />
    <${ProblemBox} error=${error} onRetry=${() => refresh()} />
    <${WhyCard} execution=${execution} why=${why} graph=${graph} onVerb=${onVerb} />
    <div class="execution-cards">
      <${GraphCard} execution=${execution} graph=${graph} onVerb=${onVerb} />
      <div class="beside">
        <${TimelineCard} execution=${execution} attempts=${attempts} earlier=${live.earlierAttempts} entries=${entries} />
        <${Details} live=${live} execution=${execution} readEarlier=${readEarlier} onVerb=${onVerb} />
      </div>
    </div>
    ${
      asked !== null &&
      dialogOf(asked.verb, execution, {
        graph,
        given: asked.given,
        onDone,
        onClose: () => setAsked(null),
      })
    }
  `;
}

/**
 * @param {{live: Live, execution: Execution, readEarlier: () => Promise<void>, onVerb: (verb: string, given?: Record<string, any>) => void}} props
 */
function Details({ live, execution, readEarlier, onVerb }) {
  const tab = TABS.find(({ id }) => id === route.value.query.tab)?.id ?? "history";
  /** @type {Record<string, () => any>} */
  const shown = {
    history: () =>
      html`<${HistoryTab} entries=${live.entries} readEarlier=${readEarlier} onVerb=${onVerb} />`,
    attempts: () =>
      html`<${AttemptsTab} attempts=${live.attempts} earlier=${live.earlierAttempts} isRead=${live.hasAttempts} />`,
    context: () =>
      html`<${ContextTab} execution=${execution} entries=${live.entries} readEarlier=${readEarlier} onVerb=${onVerb} />`,
  };
  return html`
    <section class="card details" aria-label="details">
      <${Tabs} tabs=${TABS} current=${tab} onPick=${pickTab} label="details" />
      <div class="body" role="tabpanel" aria-label=${tab}>${shown[tab]?.() ?? html`<${ValueTab} tab=${tab} execution=${execution} />`}</div>
    </section>
  `;
}

/** @param {string} id */
function pickTab(id) {
  setQuery({ tab: id === "history" ? "" : id });
}

/**
 * @param {Live} live
 * @param {(verb: string) => void} onVerb
 */
function useKeys({ execution, graph }, onVerb) {
  const ask = (/** @type {string} */ verb) => {
    if (execution === null) return;
    const not = whyNot(verb, execution, graph);
    if (not === null) onVerb(verb);
    else say(`not now: ${not}`);
  };
  useShortcuts(
    [
      { keys: "e", does: "send an event", run: () => ask("event") },
      { keys: "r", does: "retry", run: () => ask("retry") },
      ...TABS.map(({ id, label }, at) => ({
        keys: String(at + 1),
        does: `show ${label}`,
        run: () => pickTab(id),
      })),
    ],
    [execution, graph],
  );
}
