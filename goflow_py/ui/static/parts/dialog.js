/** A dialog over the page; Escape closes it. */

import { html, useEffect, useRef } from "../vendor/preact.js";

/** @param {{title: string, onClose: () => void, children?: any, isWide?: boolean}} props */
export function Dialog({ title, onClose, children, isWide = false }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    element.current?.showModal();
    // Not the button that closes it, which comes first: a space that is typed would press it.
    /** @type {HTMLElement | null | undefined} */
    const field = element.current?.querySelector(".dialog-body :is(input, select, textarea)");
    field?.focus();
  }, []);
  /** @param {Event} event */
  const onClick = (event) => {
    if (event.target === element.current) onClose();
  };
  return html`
    <dialog ref=${element} class=${isWide ? "wide" : ""} aria-label=${title} onClose=${onClose} onClick=${onClick}>
      <header>
        <h2>${title}</h2>
        <button type="button" class="quiet" aria-label="close" onClick=${onClose}>✕</button>
      </header>
      <div class="dialog-body">${children}</div>
    </dialog>
  `;
}
