// The first thing in a fresh context. It is called with a frame's body, runs the script, and
// returns a function that returns the output as JSON, to be called when all promises had their turn.
//
// What a script may overwrite is taken before it runs: it can spoil its own output, nobody else's.
(body) => {
  "use strict";
  const world = globalThis;
  const evaluate = eval; // by another name it runs in the global scope
  const { parse, stringify } = JSON;
  const { create, defineProperty, keys } = Object;
  const { isArray } = Array;
  const { construct } = Reflect;
  const { isFinite, Error, Promise, TypeError } = world;
  const sort = Function.prototype.call.bind(Array.prototype.sort);
  const then = Function.prototype.call.bind(Promise.prototype.then);

  const { script, document, nowMs, seed } = parse(body);

  // ------------------------------------------------------------ time and chance are arguments

  const TrueDate = Date;
  function FixedDate(...parts) {
    if (!new.target) return new TrueDate(nowMs).toString();
    return construct(TrueDate, parts.length ? parts : [nowMs], new.target);
  }
  FixedDate.prototype = TrueDate.prototype;
  FixedDate.parse = TrueDate.parse;
  FixedDate.UTC = TrueDate.UTC;
  FixedDate.now = () => nowMs;
  defineProperty(FixedDate, "name", { value: "Date" });
  defineProperty(TrueDate.prototype, "constructor", { value: FixedDate });
  defineProperty(world, "Date", { value: FixedDate });
  delete world.performance;

  let [a, b, c, d] = seed;
  function chance32() { // sfc32, a small fast generator of Chris Doty-Humphrey's PractRand
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
  Math.random = () => (chance32() * 2 ** 21 + (chance32() >>> 11)) / 2 ** 53;

  // ------------------------------------------------------------ the document, before and after

  delete world.Proxy; // nothing can tell one from what it stands for
  defineProperty(world, "$", { value: document, writable: true, enumerable: true });
  const before = create(null);
  const names = keys(document);
  for (let i = 0; i < names.length; i++) before[names[i]] = stringify(document[names[i]]);

  function written(name, value) {
    return stringify(value, (key, inner) => {
      if (typeof inner === "number" && !isFinite(inner)) {
        throw new TypeError(`$['${name || key}'] holds ${inner}, which is no JSON; use null or a text`);
      }
      return inner;
    });
  }

  function sorted(_, value) {
    if (typeof value !== "object" || value === null || isArray(value)) return value;
    const copy = create(null);
    const inner = sort(keys(value));
    for (let i = 0; i < inner.length; i++) copy[inner[i]] = value[inner[i]];
    return copy;
  }

  function isSame(one, other) { // two objects are the same in any order of their keys
    if (one === undefined || one === other) return one === other;
    return stringify(parse(one), sorted) === stringify(parse(other), sorted);
  }

  function output() {
    const after = world.$;
    if (typeof after !== "object" || after === null || isArray(after)) {
      throw new TypeError("'$' is no object any more; set keys of it");
    }
    const changed = create(null);
    const names = keys(after);
    for (let i = 0; i < names.length; i++) {
      const value = after[names[i]];
      const now = written(names[i], value);
      if (now !== undefined && !isSame(before[names[i]], now)) changed[names[i]] = value;
    }
    return written("", changed); // never put together with `+`: QuickJS would hand out a rope
  }

  // ------------------------------------------------------------ the script

  const last = evaluate(script);
  if (!(last instanceof Promise)) return output;
  let state = "open";
  let reason;
  then(last, () => { state = "kept"; }, (error) => { state = "broken"; reason = error; });
  return () => {
    if (state === "broken") throw reason;
    if (state === "open") throw new Error("the script's promise is never settled");
    return output();
  };
}
