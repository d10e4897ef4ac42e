/** A schema as fields that unfold. */

import { html, useState } from "../vendor/preact.js";
import { resolved, typeOf } from "./document.js";

/** @param {{schema: import("./document.js").Schema, document: any}} props */
export function Fields({ schema, document }) {
  const plain = resolved(schema, document);
  const properties = Object.entries(plain.properties ?? {});
  if (properties.length === 0) {
    return html`<p><code>${typeOf(schema, document)}</code> ${plain.description ?? ""}</p>`;
  }
  const required = new Set(plain.required ?? []);
  return html`
    ${plain.description && html`<p class="muted">${plain.description}</p>`}
    <ul class="fields">
      ${properties.map(
        ([name, one]) =>
          html`<${Field} key=${name} name=${name} schema=${one} isRequired=${required.has(name)} document=${document} />`,
      )}
    </ul>
  `;
}

/** @param {{name: string, schema: import("./document.js").Schema, isRequired: boolean, document: any}} props */
function Field({ name, schema, isRequired, document }) {
  const inner = innerOf(schema, document);
  const line = html`
    <code><b>${name}</b></code>${isRequired && html`<abbr title="required">*</abbr>`} <code class="type">${typeOf(schema, document)}</code>
    <span class="muted"> ${schema.description ?? inner?.description ?? ""} ${limitsOf(schema)}</span>
  `;
  if (inner === null) return html`<li>${line}</li>`;
  return html`<li><${Unfolding} line=${line} schema=${inner} document=${document} /></li>`;
}

/**
 * What is within is made when it is unfolded: schemas may hold themselves.
 *
 * @param {{line: any, schema: import("./document.js").Schema, document: any}} props
 */
function Unfolding({ line, schema, document }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <details onToggle=${(event) => setOpen(event.currentTarget.open)}>
      <summary>${line}</summary>
      ${isOpen && html`<${Fields} schema=${schema} document=${document} />`}
    </details>
  `;
}

/**
 * The object that a field holds, or holds a list of; null when there is nothing to unfold.
 *
 * @param {import("./document.js").Schema} schema
 * @param {any} document
 * @returns {import("./document.js").Schema | null}
 */
function innerOf(schema, document) {
  const plain = resolved(schema, document);
  if (plain.properties) return plain;
  if (plain.items) return innerOf(plain.items, document);
  const choices = plain.anyOf ?? plain.oneOf ?? [];
  return (
    choices
      .map((/** @type {any} */ one) => innerOf(one, document))
      .find((/** @type {any} */ one) => one !== null) ?? null
  );
}

/** @param {import("./document.js").Schema} schema */
function limitsOf({
  minLength,
  maxLength,
  minimum,
  maximum,
  minItems,
  maxItems,
  pattern,
  default: value,
}) {
  const facts = [
    between(minLength, maxLength, "characters"),
    between(minimum, maximum, ""),
    between(minItems, maxItems, "items"),
    pattern && `like ${pattern}`,
    value !== undefined && value !== null && `default ${JSON.stringify(value)}`,
  ];
  return facts.filter(Boolean).join("; ");
}

/**
 * @param {number | undefined} least
 * @param {number | undefined} most
 * @param {string} unit
 */
function between(least, most, unit) {
  if (least === undefined && most === undefined) return "";
  if (most === undefined) return `at least ${least} ${unit}`.trim();
  return `${least ?? 0} to ${most} ${unit}`.trim();
}
