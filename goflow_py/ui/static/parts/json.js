/** JSON to read, and JSON to write. */

import { readJson } from "../core/exact.js";
import { bytes, count } from "../core/format.js";
import { cut, linesOf, sizeOf } from "../core/json_lines.js";
import { html, useEffect, useId, useMemo, useRef, useState } from "../vendor/preact.js";
import { Copy } from "./copy.js";

const LINES_MAX = 200;
const LINES_MORE = 1_000;
/** From here on a text is parsed when the person pauses, not with every key. */
const QUICK_MAX = 65_536;
const PAUSE_MS = 250;
const ROWS_MAX = 24;

/** @typedef {import("../core/json_lines.js").Line} Line */

/**
 * A value that folds; large ones are shown in pieces.
 *
 * @param {{value: unknown, label?: string}} props
 */
export function Json({ value, label = "JSON" }) {
  const [folds, setFolds] = useState(/** @type {Map<string, boolean>} */ (new Map()));
  const [most, setMost] = useState(LINES_MAX);
  const text = useMemo(() => JSON.stringify(value, null, 2) ?? "", [value]);
  const { lines, isWhole } = useMemo(() => linesOf(value, folds, most), [value, folds, most]);
  if (value === undefined) return html`<p class="muted">nothing</p>`;
  const fold = (/** @type {Line} */ line) =>
    setFolds(new Map(folds).set(line.path, line.kind === "folded"));
  return html`
    <div class="json" role="group" aria-label=${label}>
      <div class="json-tools">
        ${text.length > QUICK_MAX && html`<small>${bytes(text.length)}</small>`}
        <${Copy} text=${text} label=${`copy ${label}`} />
      </div>
      <div class="json-lines" tabindex="0">
        ${lines.map((line, at) => html`<${JsonLine} key=${`${line.path}:${line.kind}`} line=${line} next=${lines[at + 1]} onFold=${fold} />`)}
      </div>
      ${!isWhole && html`<button type="button" class="add" onClick=${() => setMost(most + LINES_MORE)}>show more</button>`}
    </div>
  `;
}

/** @param {{line: Line, onFold: (line: Line) => void}} props */
function JsonLine({ line, onFold }) {
  const { kind, name, depth, text, hasComma, value } = line;
  const isGroup = kind === "open" || kind === "folded";
  const body = isGroup
    ? html`<button type="button" class="fold" aria-expanded=${kind === "open"} aria-label=${`${kind === "open" ? "fold" : "unfold"} ${name ?? "all"}`} onClick=${() => onFold(line)}>${text}</button>`
    : html`<${Scalar} kind=${kind} text=${text} />`;
  return html`
    <div class="json-line" style=${{ "--depth": Math.min(depth, 30) }}>
      ${typeof name === "string" && html`<span class="json-name">${JSON.stringify(name)}</span>: `}${body}${hasComma && ","}
      ${kind === "folded" && html`<small> ${parts(value)}</small>`}
    </div>
  `;
}

/** How many parts a value has, in words. @param {unknown} value */
function parts(value) {
  const size = sizeOf(value);
  return `${count(size)} ${Array.isArray(value) ? "item" : "field"}${size === 1 ? "" : "s"}`;
}

/** @param {{kind: string, text: string}} props */
function Scalar({ kind, text }) {
  const [isAll, setAll] = useState(false);
  const { head, left } = cut(text);
  if (left === 0 || isAll) return html`<span class=${`json-${kind}`}>${text}</span>`;
  return html`<span class=${`json-${kind}`}>${head}</span><button type="button" class="fold" onClick=${() => setAll(true)}>… ${count(left)} more</button>`;
}

/**
 * @typedef {object} JsonFieldProps
 * @property {any} value
 * @property {(value: any, isValid: boolean) => void} onChange not valid: the value is the last one
 *   that was; an empty text is `undefined`
 * @property {any} label
 * @property {string} [error]
 * @property {any} [hint]
 */

/** A text field for JSON. @param {JsonFieldProps} props */
export function JsonField({ value, onChange, label, error, hint }) {
  const id = useId();
  const [text, setText] = useState(() => textOf(value));
  const [wrong, setWrong] = useState("");
  // What this field said last: another value comes from elsewhere, and is shown.
  const told = useRef(value);
  const timer = useRef(/** @type {number | undefined} */ (undefined));
  // What was typed is told later: to who listens then.
  const latest = useRef(onChange);
  latest.current = onChange;
  useEffect(() => {
    if (same(value, told.current)) return;
    told.current = value;
    setText(textOf(value));
    setWrong("");
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const tell = (/** @type {string} */ next) => {
    const { parsed, complaint } = read(next);
    setWrong(complaint);
    if (complaint === "") told.current = parsed;
    latest.current(complaint === "" ? parsed : told.current, complaint === "");
  };
  const onInput = (/** @type {any} */ event) => {
    const next = event.target.value;
    setText(next);
    clearTimeout(timer.current);
    if (next.length <= QUICK_MAX) tell(next);
    else timer.current = window.setTimeout(() => tell(next), PAUSE_MS);
  };
  // Who leaves the field for a button means what stands in it now.
  const onBlur = (/** @type {any} */ event) => {
    clearTimeout(timer.current);
    if (event.target.value.length > QUICK_MAX) tell(event.target.value);
  };
  const said = wrong || error;
  const rows = Math.min(ROWS_MAX, Math.max(2, text.slice(0, QUICK_MAX).split("\n").length));
  return html`
    <div class="field">
      <label class="name" for=${id}>${label}</label>
      <textarea
        id=${id} rows=${rows} spellcheck=${false} autocomplete="off" value=${text} onInput=${onInput} onBlur=${onBlur}
        aria-invalid=${said ? "true" : null} aria-describedby=${said ? `${id}-error` : null} placeholder="JSON"
      ></textarea>
      ${hint && html`<small>${hint}</small>`}
      ${said && html`<p class="wrong" id=${`${id}-error`}>${said}</p>`}
    </div>
  `;
}

/** @param {any} value */
function textOf(value) {
  return value === undefined ? "" : JSON.stringify(value, null, 2);
}

/** @param {any} one @param {any} other */
function same(one, other) {
  return (
    one === other || (typeof one === "object" && JSON.stringify(one) === JSON.stringify(other))
  );
}

/** @param {string} text @returns {{parsed: any, complaint: string}} */
function read(text) {
  if (text.trim() === "") return { parsed: undefined, complaint: "" };
  try {
    return { parsed: readJson(text), complaint: "" };
  } catch (error) {
    return {
      parsed: undefined,
      complaint: `this is no JSON yet: ${/** @type {Error} */ (error).message}`,
    };
  }
}
