/**
 * Changes that are not stored yet: they are kept for this tab, so that another page, or a reload,
 * loses nothing.
 *
 * @typedef {import("./documents.js").Texts} Texts
 */

const PREFIX = "goflow.draft.";

/**
 * The name of the draft that begins with a version.
 *
 * @param {{project: string, activity: string, version: number}} version
 */
export function draftName({ project, activity, version }) {
  return `${project}/${activity}@${version}`;
}

/**
 * @param {string} name
 * @returns {Texts | null}
 */
export function draftOf(name) {
  const kept = sessionStorage.getItem(PREFIX + name);
  return kept === null ? null : JSON.parse(kept);
}

/**
 * Keep a draft; what equals the stored texts is none. False: there is no room for it.
 *
 * @param {string} name
 * @param {Texts} texts
 * @param {Texts} stored
 */
export function keepDraft(name, texts, stored) {
  if (isSame(texts, stored)) {
    sessionStorage.removeItem(PREFIX + name);
    return true;
  }
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(texts));
    return true;
  } catch {
    return false;
  }
}

/** @param {string} name */
export function forgetDraft(name) {
  sessionStorage.removeItem(PREFIX + name);
}

/**
 * @param {Texts} one
 * @param {Texts} other
 */
export function isSame(one, other) {
  return one.blueprint === other.blueprint && one.workers === other.workers;
}
