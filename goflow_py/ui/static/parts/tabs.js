/** Tabs: arrows move between them. */

import { html } from "../vendor/preact.js";

/**
 * @param {{tabs: {id: string, label: any}[], current: string, onPick: (id: string) => void, label: string}} props
 */
export function Tabs({ tabs, current, onPick, label }) {
  const onKeyDown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = tabs.findIndex(({ id }) => id === current);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    onPick(next.id);
    event.currentTarget.querySelector(`[data-tab="${next.id}"]`)?.focus();
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
