/** Search: an id, a business key, or an activity. */

import { get } from "../core/api.js";
import { shortId } from "../core/format.js";
import { useBlueprints } from "../core/load.js";
import { go } from "../core/router.js";
import { html, useEffect, useState } from "../vendor/preact.js";
import { Dialog } from "./dialog.js";
import { Status } from "./status.js";

const PAUSE_MS = 150;
const FOUND_MAX = 8;
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * @typedef {{page: string, args: string[], query?: Record<string, string>, label: any}} Found
 * @param {{onClose: () => void}} props
 */
export function Palette({ onClose }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState(/** @type {Found[]} */ ([]));
  const [asked, setAsked] = useState("");
  const [at, setAt] = useState(0);
  const { value: blueprints } = useBlueprints();
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const wanted = text.trim();
      const executions = await executionsOf(wanted, stop.signal);
      if (stop.signal.aborted) return;
      setFound([...executions, ...blueprintsOf(wanted, blueprints?.items ?? [])]);
      setAsked(wanted);
      setAt(0);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text, blueprints]);
  /** @param {Found} item */
  const open = (item) => {
    onClose();
    go(item.page, item.args, item.query);
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const step = STEPS[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((at + step + found.length) % found.length);
    }
    if (event.key === "Enter" && found[at]) open(found[at]);
  };
  return html`
    <${Dialog} title="Search" onClose=${onClose}>
      <input
        type="text" class="palette" autocomplete="off" aria-label="search" placeholder="id, business key, project, activity"
        value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${onKeyDown}
        role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${found[at] ? `found-${at}` : null}
      />
      <ul id="found" class="found" role="listbox">
        ${found.map(
          (item, index) => html`
            <li key=${index} id=${`found-${index}`} role="option" aria-selected=${index === at} onClick=${() => open(item)}>${item.label}</li>
          `,
        )}
      </ul>
      ${asked !== "" && found.length === 0 && html`<p class="muted" role="status">Nothing has ${asked} in it.</p>`}
    <//>
  `;
}

/**
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Found[]>}
 */
async function executionsOf(text, signal) {
  if (text === "") return [];
  const { items } = await get("/v1/executions", { q: text, limit: FOUND_MAX }, signal).catch(
    () => ({ items: [] }),
  );
  return items.map((/** @type {any} */ one) => ({
    page: "execution",
    args: [one.id],
    label: html`<${Status} status=${one.status} /> <code>${shortId(one.id)}</code> ${one.project}/${one.activity} ${one.key ?? ""}`,
  }));
}

/**
 * @param {string} text
 * @param {any[]} all
 * @returns {Found[]}
 */
function blueprintsOf(text, all) {
  const named = all.map((one) => ({ ...one, name: `${one.project}/${one.activity}` }));
  return named
    .filter(({ name }) => text !== "" && name.toLowerCase().includes(text.toLowerCase()))
    .slice(0, FOUND_MAX)
    .map(({ project, activity, name, version }) => ({
      page: "blueprint",
      args: [project, activity],
      label: html`▤ ${name} <small>v${version}</small>`,
    }));
}
