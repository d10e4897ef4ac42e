/** The editor at work: the texts, what is found in them, and the graph that they make. */

import { go, href } from "../core/router.js";
import { useShortcuts } from "../core/shortcuts.js";
import { Graph } from "../graph/graph.js";
import { ProblemBox } from "../parts/problem.js";
import { say } from "../parts/toast.js";
import { html, useCallback, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { useChecked, Verdict } from "./checking.js";
import { areOthers, readBoth } from "./documents.js";
import { draftName, forgetDraft, isSame, keepDraft } from "./drafts.js";
import { DropPlace, FileButton, taken, YamlDialog } from "./files.js";
import { FindingList } from "./finding_list.js";
import { fixOf } from "./fixes.js";
import { marksOfFindings, pickAt, pointerOf } from "./graph_places.js";
import { rangeOf, spotAt } from "./json_places.js";
import { laidOut } from "./layout_json.js";
import { Panes, showPane } from "./panes.js";
import { SaveDialog, Stored } from "./save.js";
import { CHOICES, textsOf } from "./templates.js";

/**
 * @typedef {import("./documents.js").Name} Name
 * @typedef {import("./documents.js").Mark} Mark
 * @typedef {import("./documents.js").Texts} Texts
 * @typedef {import("./code_editor.js").Handle} Handle
 */

/**
 * @param {{opened: import("./opening.js").Opened, onStored: () => void}} props
 *   `onStored`: what is opened was stored as it is here; read it anew
 */
export function Workbench({ opened, onStored }) {
  const { name, stored, base } = opened;
  const [texts, setTexts] = useState(opened.texts);
  const [spot, setSpot] = useState("");
  const [dialog, setDialog] = useState(/** @type {any} */ (null));
  const outcome = useChecked(texts, opened);
  const { reads, found } = useFound(texts, outcome);
  const handles = useHandles();
  const isChanged = !isSame(texts, stored);
  const isKept = useKept(name, texts, stored);
  const write = (/** @type {Partial<Texts>} */ patch) => {
    handles.blueprint.current?.write(patch.blueprint ?? texts.blueprint);
    handles.workers.current?.write(patch.workers ?? texts.workers);
  };
  const show = (
    /** @type {Name} */ document,
    /** @type {string} */ place,
    /** @type {any} */ at = null,
  ) => {
    showPane(document);
    const range = at ?? rangeOf(texts[document], reads[document].root, place);
    // A pane that was away has no size until it is drawn.
    requestAnimationFrame(() => handles[document].current?.show(range));
  };
  const fix = useCallback((/** @type {import("./fixes.js").Fix} */ { change }) => {
    handles[change.document].current?.change(change);
  }, []);
  const open = async (/** @type {File} */ file) => {
    const result = await taken(file);
    if ("refused" in result) say(result.refused);
    else if ("yaml" in result) setDialog({ yaml: result.yaml });
    else {
      showPane(result.given.name);
      const next = { ...texts, [result.given.name]: result.given.text };
      // The workers of a template are of no use for a blueprint that is opened.
      const isAlone = base === null && result.given.name === "blueprint" && areOthers(next);
      write(isAlone ? { ...next, workers: "" } : next);
    }
  };
  const save = () => outcome.answer && !outcome.isBusy && setDialog({ answer: outcome.answer });
  const done = (/** @type {any} */ answer) => {
    forgetDraft(name);
    setDialog(null);
    say(html`<${Stored} stored=${answer} base=${base} />`);
    const { project, activity, version } = answer;
    if (name === draftName(answer)) onStored();
    else go("editor", [project, activity], { version });
  };
  useShortcuts([{ keys: "mod+s", does: "store the draft", run: save }], [outcome]);
  return html`
    <${Head} base=${base} outcome=${outcome} isChanged=${isChanged} isKept=${isKept}
      onFile=${open} onSave=${save} onFormat=${() => write(formatted(texts))}
      onDiscard=${() => write(stored)} onTemplate=${(/** @type {string} */ id) => write(textsOf(id))} />
    <${ProblemBox} error=${outcome.error} />
    <${DropPlace} onFile=${open}>
      <div class="workbench">
        <${Panes} texts=${texts} reads=${reads} schema=${opened.schema} found=${found} handles=${handles}
          onChange=${(/** @type {Name} */ document, /** @type {string} */ text) => setTexts((old) => ({ ...old, [document]: text }))}
          onMove=${(/** @type {Name} */ document, /** @type {number} */ at) => setSpot(pointerAt(document, reads, at))} onFix=${fix} />
        <div class="beside">
          <${Drawing} outcome=${outcome} spot=${spot} onShow=${(/** @type {string} */ place) => show("blueprint", place)} />
          <section class="card findings" aria-label="findings">
            <header><h2>Findings</h2></header>
            <div class="body">
              <${FindingList} found=${found} isOld=${texts !== outcome.texts} onFix=${fix}
                onShow=${(/** @type {Mark} */ mark) => show(mark.document, mark.place, texts === outcome.texts ? mark : null)} />
            </div>
          </section>
        </div>
      </div>
    <//>
    ${dialog?.answer && html`<${SaveDialog} texts=${texts} answer=${dialog.answer} opened=${opened} onDone=${done} onClose=${() => setDialog(null)} />`}
    ${dialog?.yaml && html`<${YamlDialog} yaml=${dialog.yaml} onDone=${done} onClose=${() => setDialog(null)} />`}
  `;
}

/** @param {any} props */
function Head({
  base,
  outcome,
  isChanged,
  isKept,
  onFile,
  onSave,
  onFormat,
  onDiscard,
  onTemplate,
}) {
  const title = base
    ? html`<a href=${href("blueprint", [base.project, base.activity])}>${base.project}/${base.activity}</a> <small>from v${base.version}</small>`
    : "New blueprint";
  const canSave = outcome.answer !== null && !outcome.isBusy && (isChanged || base === null);
  return html`
    <div class="head">
      <h1>${title}</h1>
      <${Verdict} outcome=${outcome} />
      ${isChanged && html`<span class="muted">${isKept ? "not stored yet; kept in this tab" : "not stored yet, and too large to be kept in this tab"}</span>`}
      <div class="actions">
        ${base === null && html`<${Templates} onPick=${onTemplate} />`}
        <${FileButton} onFile=${onFile} />
        <button type="button" onClick=${onFormat} title="lay both documents out anew">Format</button>
        <button type="button" disabled=${!isChanged} onClick=${onDiscard} title="back to what is stored; Ctrl+Z undoes it">Discard</button>
        <button type="button" class="primary" disabled=${!canSave} onClick=${onSave} title=${whyNot(outcome, isChanged)}>Save…</button>
      </div>
    </div>
  `;
}

/** @param {{onPick: (id: string) => void}} props */
function Templates({ onPick }) {
  const pick = (/** @type {any} */ event) => {
    onPick(event.target.value);
    event.target.value = "";
  };
  return html`<select aria-label="begin with" onChange=${pick}>
    <option value="" disabled selected>Begin with …</option>
    ${CHOICES.map(({ id, label }) => html`<option key=${id} value=${id}>${label}</option>`)}
  </select>`;
}

/** @param {{outcome: import("./checking.js").Outcome, spot: string, onShow: (place: string) => void}} props */
function Drawing({ outcome, spot, onShow }) {
  const { graph, marks, answer, isBusy } = outcome;
  const onGraph = useMemo(() => marksOfFindings(graph, marks), [graph, marks]);
  const picked = useMemo(() => (graph ? pickAt(graph, spot) : null), [graph, spot]);
  const pick = (/** @type {import("./graph_places.js").Pick | null} */ one) => {
    const place = one && pointerOf(graph, one);
    if (place) onShow(place);
  };
  const isOld = graph && answer === null && !isBusy;
  return html`<section class="card drawing" aria-label="graph">
    <header><h2>Graph</h2>${isOld && html`<span class="muted">of the last draft without errors</span>`}</header>
    <div class="body">
      ${graph ? html`<${Graph} graph=${graph} marks=${onGraph} picked=${picked} onPick=${pick} label="the draft" height=${340} />` : html`<p class="empty">It is drawn as soon as the draft has no errors.</p>`}
    </div>
  </section>`;
}

// ------------------------------------------------------------ state

/**
 * @param {Texts} texts
 * @param {import("./checking.js").Outcome} outcome
 */
function useFound(texts, outcome) {
  const reads = useMemo(() => readBoth(texts), [texts]);
  const found = useMemo(() => {
    const checked = outcome.texts;
    if (checked === null) return [];
    const then = readBoth(checked);
    return outcome.marks.map((mark) => ({ mark, fix: fixOf(mark, checked, then) }));
  }, [outcome.marks]);
  return { reads, found };
}

/** @returns {Record<Name, {current: Handle | null}>} */
function useHandles() {
  const blueprint = useRef(/** @type {Handle | null} */ (null));
  const workers = useRef(/** @type {Handle | null} */ (null));
  return { blueprint, workers };
}

/**
 * Keep the draft for this tab, and let the browser ask before the tab is closed.
 *
 * @param {string} name
 * @param {Texts} texts
 * @param {Texts} stored
 */
function useKept(name, texts, stored) {
  const [isKept, setKept] = useState(true);
  useEffect(() => {
    setKept(keepDraft(name, texts, stored));
    if (isSame(texts, stored)) return undefined;
    const ask = (/** @type {Event} */ event) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [texts]);
  return isKept;
}

/** @param {Texts} texts @returns {Texts} */
function formatted(texts) {
  return {
    blueprint: laidOut(texts.blueprint) ?? texts.blueprint,
    workers: laidOut(texts.workers) ?? texts.workers,
  };
}

/**
 * @param {Name} document
 * @param {import("./documents.js").Reads} reads
 * @param {number} position
 */
function pointerAt(document, reads, position) {
  if (document !== "blueprint") return "";
  const { names } = spotAt(reads.blueprint.root, position);
  return names.map((name) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/**
 * @param {import("./checking.js").Outcome} outcome
 * @param {boolean} isChanged
 */
function whyNot({ answer, isBusy }, isChanged) {
  if (isBusy) return "it is being checked";
  if (answer === null) return "mend what was found first";
  return isChanged ? "see what changes, and store it" : "nothing has changed";
}
