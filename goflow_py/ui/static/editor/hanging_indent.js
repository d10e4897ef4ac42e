/** A long line goes on below its own beginning, not below the margin. */

import { Decoration, EditorView, RangeSetBuilder, ViewPlugin } from "../vendor/codemirror.js";

/** Wide enough to show where it belongs, and no wider: a phone has few characters. */
const INDENT_MAX = 24;
const DEEPER = 2;

const lines = ViewPlugin.fromClass(
  class {
    /** @param {import("../vendor/codemirror.js").EditorView} view */
    constructor(view) {
      this.lines = linesOf(view);
    }

    /** @param {import("../vendor/codemirror.js").ViewUpdate} update */
    update({ view, docChanged, viewportChanged }) {
      if (docChanged || viewportChanged) this.lines = linesOf(view);
    }
  },
  { decorations: ({ lines }) => lines },
);

/** A rule for each indent: a style in an attribute would break the policy of the page. */
const rules = EditorView.theme(
  Object.fromEntries(
    Array.from({ length: INDENT_MAX + 1 }, (_, spaces) => [
      `.${nameOf(spaces)}`,
      { paddingLeft: `calc(6px + ${spaces}ch)`, textIndent: `-${spaces}ch` },
    ]),
  ),
);

export const hangingIndent = [lines, rules];

/** @param {number} spaces */
function nameOf(spaces) {
  return `cm-indent-${spaces}`;
}

/**
 * The lines that are seen, each with its indent.
 *
 * @param {import("../vendor/codemirror.js").EditorView} view
 * @returns {import("../vendor/codemirror.js").DecorationSet}
 */
function linesOf({ state, visibleRanges }) {
  const builder = new RangeSetBuilder();
  for (const { from, to } of visibleRanges) {
    for (let at = from; at <= to; ) {
      const line = state.doc.lineAt(at);
      const spaces = Math.min(line.text.search(/\S|$/) + DEEPER, INDENT_MAX);
      builder.add(line.from, line.from, Decoration.line({ class: nameOf(spaces) }));
      at = line.to + 1;
    }
  }
  return /** @type {any} */ (builder.finish());
}
