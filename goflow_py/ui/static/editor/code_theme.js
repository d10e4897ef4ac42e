/** How the editor looks: with the colours of the pages, which reach into its shadow root. */

import { EditorView, HighlightStyle, syntaxHighlighting, tags } from "../vendor/codemirror.js";

const FRAME = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--card)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { font: "12.5px / 1.55 var(--mono)", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", paddingBottom: "4rem" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "var(--accent-soft)" },
  ".cm-gutters": {
    color: "var(--faint)",
    backgroundColor: "var(--card)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--sunken) 55%, transparent)" },
  ".cm-activeLineGutter": { color: "var(--text)", backgroundColor: "var(--sunken)" },
  ".cm-selectionMatch": { backgroundColor: "var(--sunken)" },
  "&.cm-focused .cm-matchingBracket": {
    color: "inherit",
    backgroundColor: "var(--accent-soft)",
    outline: "1px solid var(--accent)",
  },
  ".cm-foldPlaceholder": {
    color: "var(--muted)",
    backgroundColor: "var(--sunken)",
    borderColor: "var(--line)",
  },
});

const OVER = EditorView.theme({
  ".cm-tooltip": {
    color: "var(--text)",
    backgroundColor: "var(--card)",
    border: "1px solid var(--line)",
    borderRadius: "var(--round)",
    boxShadow: "var(--shadow)",
    maxWidth: "min(32rem, 90vw)",
  },
  ".cm-tooltip-lint": { font: "13px / 1.45 var(--sans)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { font: "12.5px / 1.6 var(--mono)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    color: "var(--text)",
    backgroundColor: "var(--accent-soft)",
  },
  ".cm-completionDetail": { color: "var(--muted)", font: "12px var(--sans)" },
  ".cm-completionInfo": { font: "13px / 1.45 var(--sans)" },
  ".cm-panels": {
    color: "var(--text)",
    backgroundColor: "var(--sunken)",
    borderColor: "var(--line)",
  },
  ".cm-textfield": { color: "inherit", backgroundColor: "var(--card)", borderColor: "var(--line)" },
  ".cm-button": { color: "inherit", background: "var(--card)", borderColor: "var(--line)" },
  ".cm-diagnostic": { padding: "0.35rem 0.6rem" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "4px solid var(--warn)" },
  ".cm-diagnostic-info": { borderLeft: "4px solid var(--busy)" },
  ".cm-diagnosticAction": { color: "var(--card)", backgroundColor: "var(--accent)" },
});

/** A line under what is found, in the pages' colours rather than in a picture of fixed ones. */
const FOUND = EditorView.theme({
  ".cm-lintRange": { backgroundImage: "none !important", textUnderlineOffset: "3px" },
  ".cm-lintRange-error": { textDecoration: "underline wavy var(--bad)" },
  ".cm-lintRange-warning": { textDecoration: "underline wavy var(--warn)" },
  ".cm-lintRange-info": { textDecoration: "underline dotted var(--busy)" },
});

const WORDS = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--good)" },
  { tag: tags.number, color: "var(--warn)" },
  { tag: [tags.bool, tags.null], color: "var(--busy)", fontWeight: "600" },
  { tag: [tags.separator, tags.brace, tags.squareBracket], color: "var(--muted)" },
]);

export const theme = [FRAME, OVER, FOUND, syntaxHighlighting(WORDS)];
