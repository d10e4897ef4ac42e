export * from "../../../../tools/web/dagre.mjs";
