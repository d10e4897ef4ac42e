export * from "../../../../tools/web/codemirror.mjs";
