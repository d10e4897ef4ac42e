/** Light or dark: as the system has it, until a person says otherwise. */

import { signal } from "../vendor/preact.js";

const STORED = "goflow.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const isDark = signal(system.matches);

use(localStorage.getItem(STORED));
system.addEventListener("change", () => use(localStorage.getItem(STORED)));

export function toggleTheme() {
  const next = isDark.peek() ? "light" : "dark";
  localStorage.setItem(STORED, next);
  use(next);
}

/** @param {string | null} theme */
function use(theme) {
  isDark.value = theme === null ? system.matches : theme === "dark";
  document.documentElement.dataset.theme = isDark.peek() ? "dark" : "light";
}
