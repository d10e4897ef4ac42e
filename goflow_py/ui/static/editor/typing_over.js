/**
 * Typing over a selection, done by the editor itself.
 *
 * Left to it, Chromium keeps the look of the text that is replaced by a style in an attribute, which
 * the policy of the page forbids; the console would say so at every such key.
 */

import { EditorView } from "../vendor/codemirror.js";

export const typingOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main;
    const text = event.data;
    if (event.inputType !== "insertText" || event.isComposing || empty || text === null) {
      return false;
    }
    const plain = () => view.state.update(view.state.replaceSelection(text));
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, text, plain))) {
      view.dispatch(plain(), { userEvent: "input.type", scrollIntoView: true });
    }
    return true;
  },
});
