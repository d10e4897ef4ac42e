export * from "../../../../tools/web/preact.mjs";

/** A value in a template; a function that is written there need not say what it takes. */
type Value = ((...given: any[]) => any) | object | string | number | boolean | null | undefined;

/** What it makes is put into other templates, whatever it is. */
export function html(strings: TemplateStringsArray, ...values: Value[]): any;
