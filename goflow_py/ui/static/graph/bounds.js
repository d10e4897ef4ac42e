/** How much room what is shown of a scene takes. Pure. */

import { edgeMark, stateMark } from "./marks.js";

const MARGIN = 16;

/**
 * @param {import("./drawing.js").Drawing} drawing
 * @param {import("./layout.js").Scene} scene
 * @param {import("./marks.js").Marks | null} marks null: all of it
 * @returns {import("./view.js").Box}
 */
export function boundsOf(drawing, scene, marks) {
  const whole = {
    x: scene.width / 2,
    y: scene.height / 2,
    width: scene.width,
    height: scene.height,
  };
  if (marks === null) return whole;
  const boxes = [];
  for (const { nodes, edges } of drawing.parts) {
    for (const { key } of nodes) if (stateMark(marks, key).visits) boxes.push(scene.nodes[key]);
    for (const { key } of edges) if (edgeMark(marks, key).count) boxes.push(scene.edges[key].label);
  }
  if (boxes.length === 0) return whole;
  const left = Math.min(...boxes.map(({ x, width }) => x - width / 2)) - MARGIN;
  const right = Math.max(...boxes.map(({ x, width }) => x + width / 2)) + MARGIN;
  const top = Math.min(...boxes.map(({ y, height }) => y - height / 2)) - MARGIN;
  const bottom = Math.max(...boxes.map(({ y, height }) => y + height / 2)) + MARGIN;
  return {
    x: (left + right) / 2,
    y: (top + bottom) / 2,
    width: right - left,
    height: bottom - top,
  };
}
