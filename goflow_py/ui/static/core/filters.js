/**
 * Which executions are looked at: as it stands in the URL, as the API asks for it, in words. Pure.
 *
 * @typedef {object} Filter
 * @property {string} project
 * @property {string} activity
 * @property {string[]} status
 * @property {string} state
 * @property {string} key
 * @property {Record<string, string>} labels
 * @property {string} since a span such as `24h`, or a time
 * @property {string} q a part of the id or of the key
 */

export const STATUSES = ["running", "waiting", "paused", "failed", "completed", "cancelled"];

/** The spans that are offered, by what the URL says. */
export const SPANS = {
  "15m": "15 minutes",
  "1h": "hour",
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
};

const TEXTS = /** @type {const} */ (["project", "activity", "state", "key", "since", "q"]);
const LABEL = "label.";
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Read a filter from the query of a URL. What makes no sense asks for nothing.
 *
 * @param {Record<string, string>} query
 * @returns {Filter}
 */
export function filterOf(query) {
  const text = (/** @type {string} */ name) => (query[name] ?? "").trim();
  const labels = Object.entries(query)
    .filter(([name, value]) => name.startsWith(LABEL) && name !== LABEL && value !== "")
    .map(([name, value]) => [name.slice(LABEL.length), value]);
  return {
    project: text("project"),
    activity: text("activity"),
    status: text("status")
      .split(",")
      .filter((one) => STATUSES.includes(one)),
    state: text("state"),
    key: text("key"),
    labels: Object.fromEntries(labels),
    since: isSince(text("since")) ? text("since") : "",
    q: text("q"),
  };
}

/**
 * Write a filter as the query of a URL, in an order that is always the same.
 *
 * @param {Filter} filter
 * @returns {Record<string, string>}
 */
export function queryOf(filter) {
  /** @type {Record<string, string>} */
  const query = {};
  for (const name of TEXTS) if (filter[name] !== "") query[name] = filter[name];
  const status = STATUSES.filter((one) => filter.status.includes(one));
  if (status.length > 0) query.status = status.join(",");
  for (const name of Object.keys(filter.labels).sort()) query[LABEL + name] = filter.labels[name];
  return query;
}

/**
 * The change of a URL's query that makes it say *after*; what is gone is the empty text.
 *
 * @param {Filter} before
 * @param {Filter} after
 */
export function patchOf(before, after) {
  const gone = Object.fromEntries(Object.keys(queryOf(before)).map((name) => [name, ""]));
  return { ...gone, ...queryOf(after) };
}

/**
 * The query of `GET /v1/executions`.
 *
 * @param {Filter} filter
 * @param {number} now
 */
export function listQuery(filter, now) {
  return { ...queryOf(filter), since: sinceTime(filter.since, now) };
}

/**
 * The query of `GET /v1/stream`. The status is not asked for: who leaves it is of interest, too.
 *
 * @param {Filter} filter
 */
export function streamQuery({ project, activity, key }) {
  return { project, activity, key };
}

/**
 * The query of `GET /v1/stats`, which knows a project, an activity and a time.
 *
 * @param {Filter} filter
 * @param {number} now
 */
export function statsQuery({ project, activity, since }, now) {
  return { project, activity: project === "" ? "" : activity, since: sinceTime(since, now) };
}

/**
 * The `filter` of a batch.
 *
 * @param {Filter} filter
 * @param {number} now
 */
export function batchFilter(filter, now) {
  const { status, labels, since, ...texts } = filter;
  /** @type {Record<string, unknown>} */
  const body = Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== ""));
  if (status.length > 0) body.status = status;
  if (Object.keys(labels).length > 0) body.labels = labels;
  if (since !== "") body.since = sinceTime(since, now);
  return body;
}

/**
 * Tell whether an execution is one of the filter's.
 *
 * @param {Filter} filter
 * @param {any} one
 * @param {number} now
 */
export function fits(filter, one, now) {
  const { project, activity, status, state, key, labels, since, q } = filter;
  return (
    (project === "" || one.project === project) &&
    (activity === "" || one.activity === activity) &&
    (status.length === 0 || status.includes(one.status)) &&
    (state === "" || one.state === state) &&
    (key === "" || one.key === key) &&
    (q === "" || one.id.includes(q) || (one.key ?? "").includes(q)) &&
    (since === "" || Date.parse(one.startedAt) >= Date.parse(sinceTime(since, now))) &&
    Object.entries(labels).every(([name, value]) => one.labels[name] === value)
  );
}

/**
 * Whether only project, activity and status are asked for: of these the server keeps counts.
 *
 * @param {Filter} filter
 */
export function isCounted({ state, key, labels, since, q }) {
  return [state, key, since, q].every((text) => text === "") && Object.keys(labels).length === 0;
}

/**
 * What the figures of `/v1/stats` do not know of a filter.
 *
 * @param {Filter} filter
 */
export function unknownToStats({ project, activity, status, state, key, labels, q }) {
  return [
    project === "" && activity !== "" && "activity without its project",
    status.length > 0 && "status",
    state !== "" && "state",
    key !== "" && "key",
    Object.keys(labels).length > 0 && "labels",
    q !== "" && "text",
  ].filter((name) => name !== false);
}

/**
 * A filter in a few words: the first name of a view that is kept.
 *
 * @param {Filter} filter
 */
export function inWords(filter) {
  const { project, activity, status, state, key, labels, since, q } = filter;
  const place = [project, activity].filter((text) => text !== "").join("/");
  const words = [
    status.join(" or "),
    place,
    state && `at ${state}`,
    key && `key ${key}`,
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
    since && `since ${since}`,
    q && `“${q}”`,
  ];
  return words.filter((word) => word !== "").join(", ") || "all executions";
}

/**
 * Labels as they are typed: `team=ops tier=gold`. Null: they cannot be read.
 *
 * @param {string} text
 * @returns {Record<string, string> | null}
 */
export function labelsOf(text) {
  const pairs = text.split(/[\s,]+/).filter((pair) => pair !== "");
  const read = pairs.map((pair) => /^([^=]+)=(.+)$/.exec(pair));
  if (read.some((pair) => pair === null)) return null;
  return Object.fromEntries(read.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""]));
}

/**
 * A span or a time as a time; nothing stays nothing.
 *
 * @param {string} since
 * @param {number} now
 */
export function sinceTime(since, now) {
  const [, number, unit] = /^(\d+)([mhd])$/.exec(since) ?? [];
  if (number === undefined) return since;
  return new Date(
    now - Number(number) * UNITS_MS[/** @type {"m" | "h" | "d"} */ (unit)],
  ).toISOString();
}

/** @param {string} text */
function isSince(text) {
  return /^\d{1,4}[mhd]$/.test(text) || /^\d{4}-\d\d-\d\dT/.test(text);
}
