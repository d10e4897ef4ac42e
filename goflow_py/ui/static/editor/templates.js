/** What a new blueprint may begin with. Pure. */

import { laidOut } from "./layout_json.js";

/** @typedef {{id: string, label: string, blueprint: any, workers: any}} Template */

const NAME = { project: "mine", activity: "first" };

/** @type {Template[]} */
const TEMPLATES = [
  {
    id: "steps",
    label: "Two steps, one after the other",
    blueprint: {
      ...NAME,
      states: ["reserve", "charge"],
      actions: [
        { name: "reserve", type: "sync" },
        { name: "charge", type: "sync" },
      ],
      transitions: [
        { current: "init", event: "start", next: "reserve" },
        { current: "reserve", event: "success", next: "charge" },
        { current: "reserve", event: "error", next: "failed" },
        { current: "charge", event: "success", next: "done" },
        { current: "charge", event: "error", next: "failed" },
      ],
    },
    workers: workersOf(NAME, ["reserve", "charge"]),
  },
  {
    id: "event",
    label: "Waits for an event, at most a day",
    blueprint: {
      ...NAME,
      events: {
        paid: { schema: { type: "object", properties: { amount: { type: "number" } } } },
      },
      states: [{ name: "waiting", after: [{ delay: "1d", next: "failed" }] }, "ship"],
      actions: [{ name: "ship", type: "sync" }],
      transitions: [
        { current: "init", event: "start", next: "waiting" },
        { current: "waiting", event: "paid", next: "ship" },
        { current: "ship", event: "success", next: "done" },
        { current: "ship", event: "error", next: "failed" },
      ],
    },
    workers: workersOf(NAME, ["ship"]),
  },
  {
    id: "person",
    label: "Asks a person",
    blueprint: {
      ...NAME,
      input: { type: "object", properties: { amount: { type: "number" } } },
      states: ["review"],
      actions: [{ name: "review", type: "human", input: { amount: "{$.input.amount}" } }],
      transitions: [
        { current: "init", event: "start", next: "review" },
        { current: "review", event: "success", next: "done" },
        { current: "review", event: "error", next: "failed" },
      ],
    },
    workers: null,
  },
];

/** The templates, for a choice. */
export const CHOICES = TEMPLATES.map(({ id, label }) => ({ id, label }));

/**
 * The texts of a template; of the first one where there is none of that name.
 *
 * @param {string | undefined} id
 * @returns {import("./documents.js").Texts}
 */
export function textsOf(id) {
  const found = TEMPLATES.find((template) => template.id === id) ?? TEMPLATES[0];
  return { blueprint: written(found?.blueprint), workers: written(found?.workers) };
}

/** @param {any} value */
function written(value) {
  return value ? (laidOut(JSON.stringify(value)) ?? "") : "";
}

/**
 * @param {{project: string, activity: string}} name
 * @param {string[]} actions
 */
function workersOf(name, actions) {
  const endpoint = "http://127.0.0.1:9000";
  return {
    ...name,
    workers: actions.map((action) => ({ name: action, workerEndpoint: endpoint })),
  };
}
