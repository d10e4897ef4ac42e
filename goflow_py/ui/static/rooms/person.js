/** Who sits before this browser: the name under which tasks are claimed. */

import { effect, signal } from "../vendor/preact.js";

const STORED = "goflow.person";

export const person = signal(localStorage.getItem(STORED) ?? "");

effect(() => localStorage.setItem(STORED, person.value));
