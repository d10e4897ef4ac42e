/** Small signs for what a state does, drawn as lines in a square of 16. Pure. */

/** @type {Record<string, string>} */
export const ICONS = {
  initial: "M5 8a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
  sync: "M2.5 8h9M8 4l4 4-4 4M14 3v10",
  async: "M13.5 5h-9M7.5 2l-3 3 3 3M2.5 11h9M8.5 8l3 3-3 3",
  delay:
    "M3 2.5h10M3 13.5h10M4.5 2.5c0 3.5 3.5 3.5 3.5 5.5s-3.5 2-3.5 5.5M11.5 2.5c0 3.5-3.5 3.5-3.5 5.5s3.5 2 3.5 5.5",
  wait: "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0zM8 4.5V8l2.5 2",
  switch: "M8 2v3M8 5l-4.5 4v5M8 5l4.5 4v5M1.8 12l1.7 2 1.7-2M10.8 12l1.7 2 1.7-2",
  map: "M6 2.5c-3.5 0-.5 5-3.5 5.5c3 .5 0 5.5 3.5 5.5M10 2.5c3.5 0 .5 5 3.5 5.5c-3 .5 0 5.5-3.5 5.5",
  pull: "M2.5 3.5h11M2.5 7h11M2.5 10.5h5M11 9v5M9 12l2 2 2-2",
  human: "M5.5 5a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0zM3 14c0-6 10-6 10 0",
  script: "M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5M9 3L7 13",
  activity: "M2.5 2.5h11v11h-11zM6 6h4v4h-4z",
  emit: "M7 8a1 1 0 1 0 2 0a1 1 0 1 0-2 0zM4.8 11.2a4.5 4.5 0 0 1 0-6.4M11.2 4.8a4.5 4.5 0 0 1 0 6.4M2.7 13.3a7.5 7.5 0 0 1 0-10.6M13.3 2.7a7.5 7.5 0 0 1 0 10.6",
  undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M6 3.5l-3 3 3 3",
  tasks: "M2.5 2.5h4v4h-4zM9.5 2.5h4v4h-4zM6 10h4v4H6zM4.5 6.5V8H8v2M11.5 6.5V8H8",
  each: "M5 2.5h8.5V11M2.5 5H11v8.5H2.5z",
  pass: "M3 8h9M9 5l3 3-3 3",
  final: "M3 8.5l3.5 3.5L13 4.5",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M2.5 8a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0zM4.2 4.2l7.6 7.6",
  pending: "M6.5 8a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0z",
  skipped: "M3 4l5 4-5 4zM8 4l5 4-5 4z",
};

/** The sign of a task's status. @param {string} status */
export function iconOfStatus(status) {
  return (
    {
      ended: ICONS.final,
      failed: ICONS.failed,
      cancelled: ICONS.cancelled,
      skipped: ICONS.skipped,
      open: ICONS.wait,
    }[status] ?? ICONS.pending
  );
}
