/** The two texts: the blueprint and its workers, one of them shown. */

import { route, setQuery } from "../core/router.js";
import { Tabs } from "../parts/tabs.js";
import { html, useCallback, useMemo } from "../vendor/preact.js";
import { CodeEditor } from "./code_editor.js";
import { offerAt } from "./completion.js";
import { workersSchema } from "./schema_words.js";

/**
 * @typedef {import("./documents.js").Name} Name
 * @typedef {import("./code_editor.js").Handle} Handle
 *
 * @typedef {object} PanesProps
 * @property {import("./documents.js").Texts} texts
 * @property {import("./documents.js").Reads} reads
 * @property {any} schema
 * @property {{mark: import("./documents.js").Mark, fix: import("./fixes.js").Fix | null}[]} found
 * @property {(name: Name, text: string) => void} onChange
 * @property {(name: Name, position: number) => void} onMove
 * @property {(fix: import("./fixes.js").Fix) => void} onFix
 * @property {Record<Name, {current: Handle | null}>} handles
 */

/** The pane that the address names. @returns {Name} */
export function shownPane() {
  return route.value.query.pane === "workers" ? "workers" : "blueprint";
}

/** @param {Name} name */
export function showPane(name) {
  setQuery({ pane: name === "workers" ? name : null });
}

/** @param {PanesProps} props */
export function Panes(props) {
  const shown = shownPane();
  const errors = (/** @type {Name} */ name) => {
    const bad = props.found.filter(
      ({ mark }) => mark.document === name && mark.severity === "error",
    );
    return bad.length === 0 ? "" : ` (${bad.length} ✗)`;
  };
  const tabs = [
    { id: "blueprint", label: `Blueprint${errors("blueprint")}` },
    { id: "workers", label: `Workers${errors("workers")}` },
  ];
  return html`
    <section class="card panes" aria-label="documents">
      <${Tabs} tabs=${tabs} current=${shown} onPick=${showPane} label="documents" />
      ${["blueprint", "workers"].map((name) => html`<${Pane} key=${name} ...${props} name=${name} isShown=${name === shown} />`)}
    </section>
  `;
}

/** @param {PanesProps & {name: Name, isShown: boolean}} props */
function Pane({ name, isShown, texts, reads, schema, found, onChange, onMove, onFix, handles }) {
  const isWorkers = name === "workers";
  const own = useMemo(() => (isWorkers ? workersSchema(schema) : schema), [schema]);
  const marks = useMemo(() => {
    const here = found.filter(({ mark }) => mark.document === name);
    return here.map(({ mark, fix }) => ({
      ...mark,
      actions: fix === null ? [] : [{ name: fix.label, apply: () => onFix(fix) }],
    }));
  }, [found]);
  const complete = useCallback(
    (/** @type {string} */ text, /** @type {number} */ position) => {
      const blueprint = reads.blueprint.root?.value;
      return offerAt(text, position, { schema: own, blueprint, isWorkers });
    },
    [own, reads],
  );
  const isEmpty = isWorkers && texts.workers === "";
  return html`
    <div class=${`pane ${isShown ? "" : "away"}`} role="tabpanel" aria-label=${name}>
      ${
        isEmpty &&
        html`<p class="hint">The workers that are stored stay as they are. ${" "}
        <button type="button" onClick=${() => handles.workers.current?.write(begun(reads))}>Write a workers document</button></p>`
      }
      <${CodeEditor}
        label=${isWorkers ? "workers, as JSON" : "blueprint, as JSON"} text=${texts[name]} found=${marks}
        onChange=${(/** @type {string} */ text) => onChange(name, text)}
        onMove=${(/** @type {number} */ position) => onMove(name, position)}
        complete=${complete} handle=${handles[name]}
      />
    </div>
  `;
}

/**
 * A workers document with the blueprint's name and nothing in it.
 *
 * @param {import("./documents.js").Reads} reads
 */
function begun(reads) {
  const { project = "", activity = "" } = reads.blueprint.root?.value ?? {};
  return `${JSON.stringify({ project, activity, workers: [] }, null, 2)}\n`;
}
