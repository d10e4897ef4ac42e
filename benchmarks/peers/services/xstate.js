// XState: a machine that invokes three calls, an actor an execution.    node xstate.js WORKER_URL
"use strict";
const { randomUUID } = require("node:crypto");
const { assign, createActor, fromPromise, setup, toPromise } = require("xstate");
const { STATES, call, serve } = require("./calls.js");

const worker = process.argv[2];

function state(action, next) {
  return {
    invoke: {
      src: "call",
      input: ({ context }) => ({ id: context.id, action, value: context.value }),
      onDone: { target: next, actions: assign({ output: ({ event }) => event.output }) },
    },
  };
}

const machine = setup({
  actors: {
    call: fromPromise(({ input }) => call(worker, input.id, input.action, input.value)),
  },
}).createMachine({
  id: "three",
  initial: STATES[0],
  context: ({ input }) => ({ id: input.id, value: input.value, output: null }),
  states: {
    ...Object.fromEntries(
      STATES.map((name, place) => [name, state(name, STATES[place + 1] ?? "done")]),
    ),
    done: { type: "final" },
  },
  output: ({ context }) => context.output,
});

serve((value) => {
  const id = randomUUID();
  const actor = createActor(machine, { input: { id, value } });
  const end = toPromise(actor);
  actor.start();
  return { id, end };
});
