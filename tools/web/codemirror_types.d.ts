export type { Completion, CompletionContext } from "@codemirror/autocomplete";
export type { DecorationSet, ViewUpdate } from "@codemirror/view";
