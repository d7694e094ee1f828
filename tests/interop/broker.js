"use strict";
// An independent broker: `node broker.js JSON`, JSON = {port, cert, key}; port 0 takes a free one;
// cert and key, PEM files, make it speak TLS. It is aedes: MQTT 3.1 and 3.1.1, in memory.
//
// Tells {"ready": port} and ends when its input ends.
const fs = require("node:fs");
const net = require("node:net");
const tls = require("node:tls");

const asked = JSON.parse(process.argv[2]);

async function main() {
  const { Aedes } = await import("aedes");
  const broker = await Aedes.createBroker();
  const server = asked.cert
    ? tls.createServer(
        { cert: fs.readFileSync(asked.cert), key: fs.readFileSync(asked.key) },
        broker.handle,
      )
    : net.createServer(broker.handle);
  server.listen(asked.port, "127.0.0.1", () =>
    process.stdout.write(JSON.stringify({ ready: server.address().port }) + "\n"),
  );
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}

main();
