import { graphlib, layout } from "@dagrejs/dagre";
export const Graph = graphlib.Graph;
export { layout };
