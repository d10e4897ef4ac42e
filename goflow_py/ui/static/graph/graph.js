/** The state graph: a picture to move, to walk and to pick from, and the same as a table. */

import { html, useState } from "../vendor/preact.js";
import { Bar } from "./bar.js";
import { Board } from "./board.js";
import { idOf, keyOf } from "./drawing.js";
import { GraphTable } from "./graph_table.js";
import { currentOf, NO_MARKS } from "./marks.js";
import { useScene } from "./use_scene.js";

/**
 * @typedef {import("./walk.js").Place} Place
 * @typedef {{kind: "state" | "edge", id: string, machine?: string}} Pick `machine` where it is in one
 *
 * @typedef {object} GraphProps
 * @property {import("./api_graph.js").ApiGraph} graph the JSON of `GET .../graph`
 * @property {import("./marks.js").Marks} [marks] new ones lay nothing out
 * @property {(pick: Pick | null) => void} [onPick]
 * @property {Pick | null} [picked]
 * @property {string} label what it is a graph of, for who does not see it
 * @property {number} [height] in pixels; else as high as the picture, within bounds
 *
 * @typedef {object} Options what the reader chose
 * @property {boolean} isTable
 * @property {boolean} isWhole all of a large graph, not only what is near
 * @property {boolean} isTakenOnly
 * @property {boolean} isFollowing the current state is kept in sight
 */

/** @param {GraphProps} props */
export function Graph({ graph, marks = NO_MARKS, onPick, picked = null, label, height }) {
  const [options, setOptions] = useState(
    /** @type {Options} */ ({
      isTable: false,
      isWhole: false,
      isTakenOnly: false,
      isFollowing: true,
    }),
  );
  /** @param {Partial<Options>} patch */
  const choose = (patch) => setOptions((old) => ({ ...old, ...patch }));
  const place = picked && { kind: picked.kind, key: keyOf(picked.machine ?? null, picked.id) };
  const now = currentOf(marks);
  const current = now === null ? null : keyOf(null, now);
  const wanted = picked?.kind === "state" && !picked.machine ? picked.id : now;
  const shown = useScene(graph, wanted, options.isWhole);
  /** @param {Place | null} found */
  const pick = (found) => onPick?.(found && pickOf(found));
  const common = { marks, pick, label, picked: place };
  return html`<section class="graph" aria-label=${label}>
    ${
      options.isTable
        ? html`<${Bar} options=${options} choose=${choose} marks=${marks} />
            <${GraphTable} ...${common} graph=${graph} />`
        : html`<${Board}
            ...${common} shown=${shown} options=${options} choose=${choose}
            current=${current} states=${graph.nodes.length} height=${height}
          />`
    }
  </section>`;
}

/** @param {Place} place @returns {Pick} */
function pickOf({ kind, key }) {
  const { machine, id } = idOf(key);
  return machine === null ? { kind, id } : { kind, id, machine };
}
