/** Storing a draft as a version: which it will be, and what changes. */

import { get } from "../core/api.js";
import { useLoad } from "../core/load.js";
import { href } from "../core/router.js";
import { Act } from "../parts/act.js";
import { Diff } from "../parts/diff.js";
import { html, useMemo } from "../vendor/preact.js";
import { uploadOf } from "./checking.js";
import { read } from "./json_places.js";

const LISTED_MAX = 500;

/**
 * @typedef {import("./documents.js").Texts} Texts
 *
 * @param {object} props
 * @param {Texts} props.texts
 * @param {{project: string, activity: string, version: number | null}} props.answer of the check
 * @param {import("./opening.js").Opened} props.opened
 * @param {(stored: any) => void} props.onDone
 * @param {() => void} props.onClose
 */
export function SaveDialog({ texts, answer, opened, onDone, onClose }) {
  const { project, activity } = answer;
  const { stored, base } = opened;
  const latest = useLatest(project, activity);
  const call = useMemo(() => uploadOf(texts, opened), [texts, opened]);
  const isOther = base !== null && (base.project !== project || base.activity !== activity);
  const isEqual = answer.version !== null;
  const next = answer.version ?? (latest === undefined ? undefined : latest + 1);
  const verb = next === undefined ? "Save" : `Save as v${next}`;
  return html`
    <${Act}
      title=${`Store ${project}/${activity}`} verb=${isEqual ? "Store the workers" : verb}
      says=${wordsOf({ isEqual, next, latest, isOther, from: base?.version })}
      call=${call} onDone=${(/** @type {any} */ done) => onDone(done.body)} onClose=${onClose} isWide
    >
      ${
        base !== null &&
        !isOther &&
        html`
        <${Changes} title=${`What changes since v${base.version}`} before=${stored.blueprint} after=${texts.blueprint} />
        <${Changes} title="What changes of the workers, at once and for all versions" before=${stored.workers} after=${texts.workers} />
      `
      }
    <//>
  `;
}

/** @param {{title: string, before: string, after: string}} props */
function Changes({ title, before, after }) {
  const [one, other] = useMemo(() => [said(before), said(after)], [before, after]);
  return html`<section class="changes"><h3>${title}</h3><${Diff} before=${one} after=${other} /></section>`;
}

/**
 * The newest version that there is, 0 where there is none; undefined while it is not known. The list
 * is asked, for it says of a new activity that it is not there yet without calling that a problem.
 *
 * @param {string} project
 * @param {string} activity
 * @returns {number | undefined}
 */
function useLatest(project, activity) {
  const { value } = useLoad(
    (signal) => get("/v1/blueprints", { project, limit: LISTED_MAX }, signal),
    [project],
  );
  /** @type {any[]} */
  const items = value?.items ?? [];
  const found = items.find((one) => one.project === project && one.activity === activity);
  return found?.version ?? (value?.next === null ? 0 : undefined);
}

/**
 * @typedef {{isEqual: boolean, next: number | undefined, latest: number | undefined, isOther: boolean}} Facts
 * @param {Facts & {from: number | undefined}} facts
 */
function wordsOf({ isEqual, next, latest, isOther, from }) {
  if (isEqual) {
    return `The blueprint is the same as v${next}: no version is made. Workers take effect at once.`;
  }
  const others = latest
    ? "Executions that run keep the version that they began with."
    : "It is new.";
  const isBehind = from !== undefined && latest !== undefined && from < latest && !isOther;
  const behind = isBehind
    ? ` v${latest} is newer than v${from}: what changed there is not in it.`
    : "";
  const name = isOther ? "The name has changed: this is another activity. " : "";
  const becomes = next === undefined ? "a new version" : `v${next}`;
  return `${name}It becomes ${becomes}, and what starts from now on runs it. ${others}${behind}`;
}

/** @param {string} text */
function said(text) {
  const value = read(text).root?.value;
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/**
 * What is said when it is done.
 *
 * @param {{stored: any, base: import("./opening.js").Opened["base"]}} props
 */
export function Stored({ stored, base }) {
  const { project, activity, version } = stored;
  const from = base?.version;
  const hasDiff = from !== undefined && from !== version;
  return html`
    ${project}/${activity} v${version} is stored.${" "}
    ${hasDiff && html`<a href=${href("blueprint", [project, activity], { tab: "diff", from, to: version })}>What changed</a>`}
    ${" "}<a href=${href("start", [project, activity])}>Start it</a>
  `;
}
