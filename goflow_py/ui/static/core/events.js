/**
 * Server-sent events, read from a body as it comes. Pure.
 *
 * @typedef {{id: string | null, name: string, data: string}} ServerEvent
 *   `id` is null where none was sent; `data` is empty where only a place was told.
 */

/** Cuts text that comes in pieces into events. */
export class EventReader {
  #rest = "";
  /** How long the server asks to wait before the next connection, in milliseconds. */
  retryMs = /** @type {number | null} */ (null);

  /**
   * @param {string} piece
   * @returns {ServerEvent[]} those that are whole now
   */
  read(piece) {
    const blocks = (this.#rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.map((block) => this.#event(block)).filter((event) => event !== null);
  }

  /**
   * @param {string} block
   * @returns {ServerEvent | null}
   */
  #event(block) {
    /** @type {string | null} */
    let id = null;
    let name = "message";
    /** @type {string[]} */
    const data = [];
    for (const line of block.split("\n")) {
      const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === "id") id = value;
      else if (field === "event") name = value;
      else if (field === "data") data.push(value);
      else if (field === "retry") this.retryMs = Number(value) || null;
    }
    return id === null && data.length === 0 ? null : { id, name, data: data.join("\n") };
  }
}
