// The worker's calls, and an HTTP front: the same for all peers in Node.js.
"use strict";
const http = require("node:http");

const STATES = ["balance", "product", "voucher"];
const agent = new http.Agent({ keepAlive: true });

// Resolve with the worker's answer to one call, whose key is the execution's and the action's.
function call(worker, id, action, input) {
  const body = JSON.stringify({ executionId: id, action, input });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
    "Idempotency-Key": `${id}/${action}`,
  };
  return new Promise((resolve, reject) => {
    const request = http.request(worker, { method: "POST", agent, headers }, (answer) => {
      read(answer).then((text) => {
        if (answer.statusCode !== 200) throw new Error(`the worker answered ${answer.statusCode}`);
        resolve(JSON.parse(text));
      }).catch(reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

// Serve on loopback, and say where. `begin(input)` returns an id and a promise of the end.
function serve(begin) {
  const server = http.createServer(async (request, response) => {
    try {
      const { id, end } = begin(JSON.parse(await read(request)).input);
      if (request.headers.prefer) {
        answer(response, 200, { id, status: "completed", output: await end });
      } else {
        answer(response, 201, { id, status: "running" });
      }
    } catch (error) {
      answer(response, 500, { error: String(error) });
    }
  });
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1", 1024, () => {
    console.log(`ready http://127.0.0.1:${server.address().port}`);
  });
}

function answer(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}

module.exports = { STATES, call, serve };
