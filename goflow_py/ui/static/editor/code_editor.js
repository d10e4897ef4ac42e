/**
 * A text that is edited. It stands in a shadow root: there its styles are sheets of their own, which
 * the content security policy lets pass.
 */

import {
  acceptCompletion,
  autocompletion,
  bracketMatching,
  closeBrackets,
  closeBracketsKeymap,
  codeFolding,
  completionKeymap,
  defaultKeymap,
  drawSelection,
  EditorState,
  EditorView,
  foldGutter,
  foldKeymap,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSelectionMatches,
  highlightSpecialChars,
  history,
  historyKeymap,
  indentOnInput,
  indentUnit,
  json,
  keymap,
  lineNumbers,
  lintGutter,
  lintKeymap,
  searchKeymap,
  setDiagnostics,
} from "../vendor/codemirror.js";
import { html, useEffect, useRef } from "../vendor/preact.js";
import { theme } from "./code_theme.js";
import { hangingIndent } from "./hanging_indent.js";
import { typingOver } from "./typing_over.js";

/**
 * @typedef {object} Found what is marked in the text
 * @property {number} from
 * @property {number} to
 * @property {"error" | "warning" | "info"} severity
 * @property {string} message
 * @property {{name: string, apply: () => void}[]} actions
 *
 * @typedef {object} Handle what others do to the text
 * @property {(change: {from: number, to: number, insert: string}) => void} change
 * @property {(text: string) => void} write in place of what is there; one undo undoes it
 * @property {(range: {from: number, to: number}) => void} show put the caret there, in sight
 *
 * @typedef {object} Props
 * @property {string} label
 * @property {string} text it begins with; after that the text is the editor's own
 * @property {(text: string) => void} onChange
 * @property {(position: number) => void} onMove the caret stands elsewhere
 * @property {Found[]} found
 * @property {(text: string, position: number) => import("./completion.js").Offer | null} complete
 * @property {{current: Handle | null}} handle
 */

/** @param {Props} props */
export function CodeEditor(props) {
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const view = useRef(/** @type {EditorView | null} */ (null));
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    if (host.current === null) return undefined;
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
    const made = new EditorView({ state: stateOf(latest), parent: root, root });
    view.current = made;
    props.handle.current = handleOf(made);
    return () => {
      props.handle.current = null;
      view.current = null;
      made.destroy();
    };
  }, []);
  useEffect(() => {
    const state = view.current?.state;
    if (!state) return;
    const found = props.found.map((one) => within(one, state.doc.length));
    view.current?.dispatch(setDiagnostics(state, found));
  }, [props.found]);
  return html`<div class="code" ref=${host}></div>`;
}

/** @param {{current: Props}} latest */
function stateOf(latest) {
  const { text, label } = latest.current;
  return EditorState.create({
    doc: text,
    extensions: [
      lineNumbers(),
      lintGutter(),
      foldGutter(),
      codeFolding(),
      highlightSpecialChars(),
      highlightActiveLine(),
      highlightActiveLineGutter(),
      highlightSelectionMatches(),
      history(),
      drawSelection(),
      indentOnInput(),
      indentUnit.of("  "),
      bracketMatching(),
      closeBrackets(),
      json(),
      autocompletion({ override: [completionOf(latest)], icons: false, activateOnTyping: true }),
      // Tab leaves the editor, as it leaves any field, unless a completion is offered.
      keymap.of([
        { key: "Tab", run: acceptCompletion },
        ...closeBracketsKeymap,
        ...defaultKeymap,
        ...searchKeymap,
        ...historyKeymap,
        ...foldKeymap,
        ...completionKeymap,
        ...lintKeymap,
      ]),
      EditorView.lineWrapping,
      hangingIndent,
      typingOver,
      EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) latest.current.onChange(update.state.doc.toString());
        if (update.selectionSet) latest.current.onMove(update.state.selection.main.head);
      }),
      theme,
    ],
  });
}

/** @param {{current: Props}} latest */
function completionOf(latest) {
  /** @param {import("../vendor/codemirror.js").CompletionContext} context */
  return ({ state, pos, explicit }) => {
    const offer = latest.current.complete(state.doc.toString(), pos);
    if (offer === null || (!explicit && offer.from === offer.to)) return null;
    return {
      from: offer.from,
      options: offer.options.map(({ label, apply, cursor, info, detail }) => ({
        // What is matched begins with the quote that was typed.
        label: apply.startsWith('"') ? `"${label}` : label,
        displayLabel: label,
        detail,
        info: info || undefined,
        /** @type {import("../vendor/codemirror.js").Completion["apply"]} */
        apply: (view, _, from, to) => {
          // What stands behind the caret, a closing quote mostly, belongs to the word.
          put(view, { from, to: to + offer.to - pos, insert: apply }, cursor);
        },
      })),
    };
  };
}

/**
 * @param {EditorView} view
 * @param {{from: number, to: number, insert: string}} change
 * @param {number} cursor
 */
function put(view, change, cursor) {
  view.dispatch({ changes: change, selection: { anchor: change.from + cursor } });
}

/** @param {EditorView} view @returns {Handle} */
function handleOf(view) {
  return {
    change: (changes) => view.dispatch({ changes, scrollIntoView: true, userEvent: "input.fix" }),
    write: (text) => {
      const { doc } = view.state;
      // Only what differs is changed, so that the caret stays where it was.
      if (doc.toString() !== text) view.dispatch({ changes: difference(doc.toString(), text) });
    },
    show: (range) => {
      const { from, to } = within(range, view.state.doc.length);
      const effects = EditorView.scrollIntoView(from, { y: "center" });
      view.dispatch({ selection: { anchor: from, head: to }, effects });
      view.focus();
    },
  };
}

/**
 * @param {string} before
 * @param {string} after
 */
function difference(before, after) {
  const most = Math.min(before.length, after.length);
  let from = 0;
  while (from < most && before[from] === after[from]) from += 1;
  let tail = 0;
  while (tail < most - from && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return { from, to: before.length - tail, insert: after.slice(from, after.length - tail) };
}

/**
 * Marks are of a text that may have become shorter since.
 *
 * @template {{from: number, to: number}} T
 * @param {T} range
 * @param {number} length
 * @returns {T}
 */
function within(range, length) {
  const from = Math.min(range.from, length);
  return { ...range, from, to: Math.max(from, Math.min(range.to, length)) };
}
