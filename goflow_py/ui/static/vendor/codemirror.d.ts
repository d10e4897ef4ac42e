export * from "../../../../tools/web/codemirror.mjs";
export type * from "../../../../tools/web/codemirror_types.js";
