/** What the server says of a draft, while it is typed. */

import { Problem, send } from "../core/api.js";
import { html, useEffect, useState } from "../vendor/preact.js";
import { changed, joined, markOfProblem, marksOf, mistakesIn, readBoth } from "./documents.js";

const PAUSE_MS = 300;

/**
 * @typedef {import("./documents.js").Mark} Mark
 * @typedef {import("./documents.js").Texts} Texts
 * @typedef {import("./opening.js").Opened} Opened
 *
 * @typedef {object} Outcome
 * @property {Texts | null} texts those that it is of
 * @property {any} answer what the server said, if it takes them
 * @property {any} graph of the newest draft that it took
 * @property {Mark[]} marks
 * @property {Error | null} error why nothing could be said
 * @property {boolean} isBusy
 */

/** @type {Outcome} */
const NOTHING = { texts: null, answer: null, graph: null, marks: [], error: null, isBusy: true };

/**
 * Ask what is wrong with a draft, a moment after the last key. The newest answer wins.
 *
 * @param {Texts} texts
 * @param {Opened} opened what it was before
 * @returns {Outcome}
 */
export function useChecked(texts, opened) {
  const [outcome, setOutcome] = useState(NOTHING);
  useEffect(() => {
    const stop = new AbortController();
    setOutcome((old) => ({ ...old, isBusy: true }));
    const ask = async () => {
      const found = await asked(texts, opened, stop.signal);
      if (stop.signal.aborted) return;
      setOutcome((old) => ({
        ...old,
        answer: null,
        error: null,
        marks: [],
        ...found,
        texts,
        isBusy: false,
      }));
    };
    const timer = setTimeout(ask, outcome.texts === null ? 0 : PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [texts]);
  return outcome;
}

/**
 * @param {Texts} texts
 * @param {Opened} opened
 * @param {AbortSignal} signal
 * @returns {Promise<Partial<Outcome>>}
 */
async function asked(texts, opened, signal) {
  const mistakes = mistakesIn(texts, readBoth(texts));
  if (mistakes.length > 0) return { marks: mistakes };
  try {
    const { body } = await send(
      { ...uploadOf(texts, opened), query: { dryRun: 1, graph: 1 } },
      signal,
    );
    return {
      answer: body,
      graph: body.graph,
      marks: marksOf(body.findings, texts, readBoth(texts)),
    };
  } catch (error) {
    if (!(error instanceof Problem)) return { error: /** @type {Error} */ (error) };
    const { findings, line } = error.body;
    if (findings) return { marks: marksOf(findings, texts, readBoth(texts)) };
    return line ? { marks: [markOfProblem(error.body, texts)] } : { error };
  }
}

/**
 * The call that stores a draft.
 *
 * @param {Texts} texts
 * @param {Opened} opened
 * @returns {import("../core/calls.js").Call}
 */
export function uploadOf(texts, { stored, base }) {
  const content = joined(changed(texts, stored, base));
  const text = { file: "blueprint.json", mediaType: "application/json", content };
  return { method: "POST", path: "/v1/blueprints", text };
}

/** In a word: whether the draft can be stored. @param {{outcome: Outcome}} props */
export function Verdict({ outcome }) {
  const { marks, isBusy, error } = outcome;
  const errors = marks.filter(({ severity }) => severity === "error").length;
  const warnings = marks.filter(({ severity }) => severity === "warning").length;
  const words = [errors && plural(errors, "error"), warnings && plural(warnings, "warning")];
  const kind = errors > 0 || error ? "error" : warnings > 0 ? "waiting" : "success";
  const text = error ? "cannot be checked" : words.filter(Boolean).join(", ") || "no errors";
  const sign = kind === "success" ? "✓" : kind === "error" ? "✗" : "!";
  return html`<span role="status" class=${`verdict ${isBusy ? "is-busy" : ""}`}>
    <span class=${`status is-${kind}`}><i aria-hidden="true">${sign}</i>${text}</span>
  </span>`;
}

/**
 * @param {number} number
 * @param {string} word
 */
function plural(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
