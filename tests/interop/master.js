"use strict";
// An independent master control: `node master.js JSON`, JSON = {url, manufacturer, prefix}.
// Takes one JSON object a line: {"serial", "order"} or {"serial", "instant", "id"}, and tells what
// its MasterController makes of the robot's states: {"serial", "order", "event", ...} and
// {"serial", "action", "status"}; {"serial", "connection"} as it tracks robots.
const { MasterController } = require("vda-5050-lib");
const readline = require("node:readline");

const asked = JSON.parse(process.argv[2]);
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const short = (error) => (error ? error.errorType : undefined);

class Master extends MasterController {
  // version 1.4 of the library writes the key of VDA 5050 1.x; 2.x says `actions`
  publishTopic(topic, subject, object, options) {
    const { instantActions, ...rest } = object;
    const message = instantActions ? { ...rest, actions: instantActions } : object;
    return super.publishTopic(topic, subject, message, options);
  }
}

const master = new Master(
  {
    interfaceName: asked.prefix || "uagv",
    vdaVersion: "2.0.0",
    transport: { brokerUrl: asked.url, heartbeat: 5 },
    topicObjectValidation: { inbound: true, outbound: false },
  },
  {},
);

async function take(line) {
  const { serial, order, instant, id } = JSON.parse(line);
  const agv = { manufacturer: asked.manufacturer, serialNumber: serial };
  if (order) {
    const told = (event, more) => tell({ serial, order: order.orderId, event, ...more });
    await master.assignOrder(agv, order, {
      onOrderProcessed: (error, cancelled, active) =>
        told("processed", { error: short(error), cancelled, active }),
      onNodeTraversed: (node) => told("node", { node: node.nodeId }),
      onEdgeTraversed: (edge) => told("edge", { edge: edge.edgeId }),
      onActionStateChanged: (state) =>
        told("action", { id: state.actionId, status: state.actionStatus }),
    });
  } else {
    const actions = [{ actionId: id, actionType: instant, blockingType: "HARD" }];
    await master.initiateInstantActions(agv, { instantActions: actions }, {
      onActionStateChanged: (state) => tell({ serial, action: id, status: state.actionStatus }),
      onActionError: (error) => tell({ serial, action: id, error: short(error) }),
    });
  }
}

async function main() {
  await master.start();
  master.trackAgvs((agv, state) => tell({ serial: agv.serialNumber, connection: state }));
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) =>
    take(line).catch((error) => {
      console.error(error);
      process.exit(1);
    }),
  );
  lines.on("close", async () => {
    await master.stop();
    process.exit(0);
  });
  tell({ ready: 1 });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
