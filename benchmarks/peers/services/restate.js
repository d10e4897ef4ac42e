// Restate: a service whose handler makes three durable calls.    node restate.js WORKER_URL
"use strict";
const http2 = require("node:http2");
const restate = require("@restatedev/restate-sdk");
const { STATES, call } = require("./calls.js");

const worker = process.argv[2];

const bench = restate.service({
  name: "bench",
  handlers: {
    three: async (ctx, { input }) => {
      const id = ctx.rand.uuidv4(); // the same in every replay
      let output = input;
      for (const action of STATES) {
        output = await ctx.run(action, () => call(worker, id, action, input));
      }
      return { id, status: "completed", output };
    },
  },
});

const handler = restate.createEndpointHandler({ services: [bench] });
const server = http2.createServer(handler);
server.listen(0, "127.0.0.1", () => {
  console.log(`ready http://127.0.0.1:${server.address().port}`);
});
