/** A button that opens a list of things to do. */

import { html, useEffect, useRef, useState } from "../vendor/preact.js";

/**
 * @typedef {{label: string, run: () => void, isDangerous?: boolean, isOff?: boolean, why?: string}} Item
 *   `why` says why it is off, or what it does
 *
 * @param {{label: any, items: Item[], name?: string}} props `name` is for who does not see the label
 */
export function Menu({ label, items, name }) {
  const [isOpen, setOpen] = useState(false);
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!isOpen) return undefined;
    /** @param {any} event of the keyboard or the pointer */
    const close = (event) => {
      if (event.key === "Escape" || !element.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", close);
    };
  }, [isOpen]);
  /** @param {Item} item */
  const pick = (item) => {
    setOpen(false);
    item.run();
  };
  return html`
    <span class="menu" ref=${element}>
      <button type="button" aria-haspopup="menu" aria-expanded=${isOpen} aria-label=${name} onClick=${() => setOpen(!isOpen)}>
        ${label}
      </button>
      ${
        isOpen &&
        html`<div role="menu" onKeyDown=${walk}>
        ${items.map(
          (item) => html`
            <button
              key=${item.label}
              type="button"
              role="menuitem"
              class=${item.isDangerous ? "danger-text" : ""}
              disabled=${item.isOff}
              title=${item.why}
              onClick=${() => pick(item)}
            >
              ${item.label}${item.isOff && item.why && html`<small>${item.why}</small>`}
            </button>
          `,
        )}
      </div>`
      }
    </span>
  `;
}

/** @param {KeyboardEvent & {currentTarget: HTMLElement}} event */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const all = [...event.currentTarget.querySelectorAll("button:not(:disabled)")];
  const at = all.indexOf(/** @type {Element} */ (document.activeElement));
  /** @type {HTMLElement | undefined} */ (all[(at + step + all.length) % all.length])?.focus();
}
