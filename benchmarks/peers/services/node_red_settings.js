// Node-RED as it is shipped, but quiet, without its editor, and on loopback only.
"use strict";

module.exports = {
  uiHost: "127.0.0.1",
  httpAdminRoot: false,
  disableEditor: true,
  credentialSecret: false,
  telemetry: { enabled: false, updateNotification: false },
  diagnostics: { enabled: false, ui: false },
  logging: { console: { level: "warn", metrics: false, audit: false } },
};
