/** JSON whose integers stay what they are: the API's have 64 bits, a number here holds 53. */

/** A browser that cannot write such an integer does not read it either: it is rounded there. */
const canWrite = "rawJSON" in JSON;
const LONG = /(?:^|[[\s:,-])\d{16}/;

if (canWrite) {
  Object.defineProperty(BigInt.prototype, "toJSON", {
    /** @this {bigint} */
    value() {
      return /** @type {any} */ (JSON).rawJSON(String(this));
    },
  });
}

/** @param {string} text @returns {any} with a `bigint` for what a number cannot hold */
export function readJson(text) {
  return LONG.test(text) ? JSON.parse(text, revived) : JSON.parse(text);
}

/**
 * A number, or the integer that was written where that is another one.
 *
 * @param {number} number
 * @param {string} written
 */
export function exactly(number, written) {
  if (!canWrite || Number.isSafeInteger(number) || !/^-?\d+$/.test(written)) return number;
  return BigInt(written);
}

/** @param {string} _ @param {unknown} value @param {{source?: string}} [context] not every browser has it */
function revived(_, value, context) {
  return typeof value === "number" ? exactly(value, context?.source ?? "") : value;
}
