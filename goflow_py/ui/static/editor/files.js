/** Files that are opened or dropped: JSON is edited, YAML is stored as it is. */

import { Act } from "../parts/act.js";
import { html, useState } from "../vendor/preact.js";
import { along, read } from "./json_places.js";
import { laidOut } from "./layout_json.js";

/** What the server takes; a larger file is none of ours. */
const BYTES_MAX = 1024 * 1024;
const YAML = /\.ya?ml$/i;

/**
 * @typedef {{name: import("./documents.js").Name, text: string}} Given
 * @typedef {{file: string, text: string}} Yaml
 */

/**
 * A file as a text for one of the panes, or as YAML; else what is wrong with it.
 *
 * @param {File} file
 * @returns {Promise<{given: Given} | {yaml: Yaml} | {refused: string}>}
 */
export async function taken(file) {
  if (file.size > BYTES_MAX) return { refused: `${file.name} is larger than 1 MiB` };
  const text = await file.text();
  if (YAML.test(file.name)) return { yaml: { file: file.name, text } };
  const { root } = read(text);
  if (root?.kind !== "object")
    return { refused: `${file.name} is no JSON object, and not named .yaml` };
  const isOfWorkers = along(root, ["workers"]).isWhole && !along(root, ["transitions"]).isWhole;
  return { given: { name: isOfWorkers ? "workers" : "blueprint", text: laidOut(text) ?? text } };
}

/**
 * A place where files are dropped, around what stands in it.
 *
 * @param {{onFile: (file: File) => void, children: any}} props
 */
export function DropPlace({ onFile, children }) {
  const [isOver, setOver] = useState(false);
  const over = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    setOver(true);
  };
  const drop = (/** @type {DragEvent} */ event) => {
    const file = event.dataTransfer?.files[0];
    setOver(false);
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    onFile(file);
  };
  return html`<div class=${isOver ? "landing is-over" : "landing"} onDragOver=${over} onDragLeave=${() => setOver(false)} onDropCapture=${drop}>
    ${children}
  </div>`;
}

/** A button that opens a file. @param {{onFile: (file: File) => void}} props */
export function FileButton({ onFile }) {
  const pick = (/** @type {any} */ event) => {
    const [file] = event.target.files;
    if (file) onFile(file);
    event.target.value = "";
  };
  return html`<label class="button">Open a file
    <input type="file" class="hidden" accept=".json,.yaml,.yml,application/json" onChange=${pick} />
  </label>`;
}

/**
 * Stores a YAML file as it is; what is stored can be edited as JSON.
 *
 * @param {{yaml: Yaml, onDone: (stored: any) => void, onClose: () => void}} props
 */
export function YamlDialog({ yaml, onDone, onClose }) {
  const text = { file: yaml.file, mediaType: "application/yaml", content: yaml.text };
  return html`<${Act}
    title=${`Store ${yaml.file}`} verb="Store it" call=${{ method: "POST", path: "/v1/blueprints", text }}
    says="This editor writes JSON. A YAML file is stored as it is, as a version; then it is shown here as JSON."
    onDone=${(/** @type {any} */ done) => onDone(done.body)} onClose=${onClose}
  />`;
}
