/** Keys of the keyboard that do something, and the list of them that `?` shows. */

import { signal, useEffect } from "../vendor/preact.js";

/** @typedef {{keys: string, does: string, run: () => void}} Shortcut */

/** Those that work now, by the part of the page that brought them. */
export const shortcuts = signal(/** @type {Shortcut[][]} */ ([]));

/**
 * Let keys work while a part of the page is shown. `keys` is one key (`j`, `Enter`, `?`), a
 * sequence (`g e`) or `mod+k` for Ctrl or Command.
 *
 * @param {Shortcut[]} mine
 * @param {unknown[]} wants when these change, `run` is another one
 */
export function useShortcuts(mine, wants) {
  useEffect(() => {
    shortcuts.value = [...shortcuts.peek(), mine];
    return () => {
      shortcuts.value = shortcuts.peek().filter((group) => group !== mine);
    };
  }, wants);
}

const SEQUENCE_MS = 1_000;
let before = { key: "", at: 0 };

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey) return;
  const isMod = event.ctrlKey || event.metaKey;
  // What is within a shadow root, such as the editor, would seem to be its host.
  const target = event.composedPath()[0] ?? null;
  if (!isMod && (isTyping(target) || document.querySelector("dialog[open]"))) return;
  if (event.key === "Enter" && isPressed(target)) return;
  const key = isMod ? `mod+${event.key.toLowerCase()}` : event.key;
  const sequence = event.timeStamp - before.at < SEQUENCE_MS ? `${before.key} ${key}` : key;
  before = { key, at: event.timeStamp };
  const all = shortcuts.peek().flat().reverse();
  const found = all.find(({ keys }) => keys === sequence) ?? all.find(({ keys }) => keys === key);
  if (found === undefined) return;
  event.preventDefault();
  before = { key: "", at: 0 };
  found.run();
});

/** @param {EventTarget | null} target */
function isTyping(target) {
  const fields = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  return target instanceof HTMLElement && target.closest(fields) !== null;
}

/** Whether Enter does something to it already. @param {EventTarget | null} target */
function isPressed(target) {
  return target instanceof HTMLElement && target.closest("a, button, summary") !== null;
}
