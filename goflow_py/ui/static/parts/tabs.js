/** Tabs: arrows move between them. */

import { html } from "../vendor/preact.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/**
 * @param {{tabs: {id: string, label: any}[], current: string, onPick: (id: string) => void, label: string}} props
 */
export function Tabs({ tabs, current, onPick, label }) {
  /** @param {KeyboardEvent & {currentTarget: HTMLElement}} event */
  const onKeyDown = (event) => {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = tabs.findIndex(({ id }) => id === current);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    onPick(next.id);
    /** @type {HTMLElement | null} */
    const button = event.currentTarget.querySelector(`[data-tab="${next.id}"]`);
    button?.focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} onKeyDown=${onKeyDown}>
      ${tabs.map(
        (tab) => html`
          <button
            key=${tab.id}
            type="button"
            role="tab"
            data-tab=${tab.id}
            aria-selected=${tab.id === current}
            tabindex=${tab.id === current ? 0 : -1}
            onClick=${() => onPick(tab.id)}
          >
            ${tab.label}
          </button>
        `,
      )}
    </div>
  `;
}
