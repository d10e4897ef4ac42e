/** Upload of a blueprint: from a file or as text, checked while it is looked at. */

import { Problem, send } from "../core/api.js";
import { bytes } from "../core/format.js";
import { go } from "../core/router.js";
import { Act } from "../parts/act.js";
import { ProblemBox } from "../parts/problem.js";
import { say } from "../parts/toast.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Findings } from "./findings.js";
import { boundText, mediaTypeOf, tally } from "./words.js";

const PAUSE_MS = 400;

/** What the server reads; the names are needed where the format has none. */
const FORMATS = {
  goflow: "goflow (JSON or YAML)",
  asl: "Amazon States Language",
  conductor: "Netflix Conductor",
  swm: "Serverless Workflow Manager",
  orchy: "Orchy",
  relor: "relor",
};

/** @typedef {{file: string, content: string, format: string, project: string, activity: string}} Draft */

/** @param {{onClose: () => void}} props */
export function Upload({ onClose }) {
  const [draft, setDraft] = useState(
    /** @type {Draft} */ ({ file: "", content: "", format: "goflow", project: "", activity: "" }),
  );
  const set = (/** @type {Partial<Draft>} */ patch) => setDraft({ ...draft, ...patch });
  const { checked, error } = useCheck(draft);
  const done = (/** @type {import("../core/api.js").Answer} */ { status, body }) => {
    onClose();
    say(
      status === 201
        ? `${body.activity} has version ${body.version} now`
        : `version ${body.version} is just like it`,
    );
    go("blueprint", [body.project, body.activity], { version: body.version });
  };
  const findings =
    checked?.findings ?? (error instanceof Problem ? error.body.findings : undefined);
  const isForeign = draft.format !== "goflow";
  return html`
    <${Act}
      title="Upload a blueprint" verb="Upload" isWide onClose=${onClose} onDone=${done}
      says="What is stored is a new version; executions that run keep theirs. Equal to the latest, it changes nothing."
      call=${checked === null ? null : callOf(draft)}
    >
      <${Source} draft=${draft} set=${set} />
      <div class="row">
        <label>Format
          <select value=${draft.format} onChange=${(/** @type {any} */ event) => set({ format: event.target.value })}>
            ${Object.entries(FORMATS).map(([name, label]) => html`<option key=${name} value=${name}>${label}</option>`)}
          </select>
        </label>
        ${
          isForeign &&
          ["project", "activity"].map(
            (name) => html`
          <label key=${name}>${name}
            <input type="text" value=${draft[/** @type {"project"} */ (name)]} onInput=${(/** @type {any} */ event) => set({ [name]: event.target.value })} />
          </label>
        `,
          )
        }
      </div>
      <div class="checked" aria-live="polite">
        ${
          checked &&
          html`<p><strong>${checked.project}/${checked.activity}</strong> ${tally(checked.findings) || "is in order"}. ${boundText(checked.bound)}</p>`
        }
        ${error !== null && !findings && html`<${ProblemBox} error=${error} />`}
        ${error !== null && findings && html`<p><strong>It cannot be stored: ${tally(findings)}.</strong></p>`}
        ${findings && findings.length > 0 && html`<${Findings} findings=${findings} />`}
      </div>
    <//>
  `;
}

/** @param {{draft: Draft, set: (patch: Partial<Draft>) => void}} props */
function Source({ draft, set }) {
  const [isOver, setOver] = useState(false);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const take = async (/** @type {File | undefined} */ file) => {
    if (file) set({ file: file.name, content: await file.text() });
  };
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer?.files[0]);
  };
  const over = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(true);
  };
  return html`
    <div class=${isOver ? "drop is-over" : "drop"} onDrop=${drop} onDragOver=${over} onDragLeave=${() => setOver(false)}>
      <p class="row">
        <button type="button" onClick=${() => input.current?.click()}>Choose a file</button>
        <span class="muted">${draft.file ? `${draft.file}, ${bytes(draft.content.length)}` : "or drop one here, or paste the text"}</span>
      </p>
      <input ref=${input} type="file" hidden accept=".json,.yaml,.yml,.asl" aria-label="file" onChange=${(/** @type {any} */ event) => take(event.target.files[0])} />
      <textarea
        aria-label="blueprint" rows="10" spellcheck=${false} value=${draft.content} placeholder='{"project": "…", "activity": "…", "states": […]}'
        onInput=${(/** @type {any} */ event) => set({ file: "", content: event.target.value })}
      ></textarea>
    </div>
  `;
}

/**
 * The call that stores a draft.
 *
 * @param {Draft} draft
 * @returns {import("../core/calls.js").Call}
 */
function callOf({ file, content, format, project, activity }) {
  const isForeign = format !== "goflow";
  const mediaType = mediaTypeOf(file, content);
  return {
    method: "POST",
    path: "/v1/blueprints",
    query: isForeign ? { format, project, activity } : {},
    text: {
      file: file || `blueprint.${mediaType.endsWith("yaml") ? "yaml" : "json"}`,
      mediaType,
      content,
    },
  };
}

/**
 * Check a draft whenever its writer pauses.
 *
 * @param {Draft} draft
 */
function useCheck(draft) {
  const [state, setState] = useState({
    checked: /** @type {any} */ (null),
    error: /** @type {Error | null} */ (null),
  });
  const { file, content, format, project, activity } = draft;
  useEffect(() => {
    setState({ checked: null, error: null });
    if (content.trim() === "") return undefined;
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const call = callOf(draft);
      try {
        const { body } = await send({ ...call, query: { ...call.query, dryRun: 1 } }, stop.signal);
        setState({ checked: body, error: null });
      } catch (error) {
        if (!stop.signal.aborted) setState({ checked: null, error: /** @type {Error} */ (error) });
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [file, content, format, project, activity]);
  return state;
}
