"use strict";
// Independent robots: `node robots.js JSON`, JSON = {url, count, mapId, spacing, timeLapse,
// stateIntervalMs, batteryPct, manufacturer, prefix, tls, blocked, factsheet}. Robot i is called
// R-i and stands at x = i * spacing. None drives to a node whose id is in `blocked`.
//
// Owns nothing of VDA 5050: that is vda-5050-lib's. Tells on standard output, one JSON object a
// line, what the robots really did: {"ready": N}, {"agv", "did": "picked"|"dropped", "load"}.
// Ends when its input ends; then every robot says OFFLINE.
const { AgvController, VirtualAgvAdapter } = require("vda-5050-lib");

const asked = JSON.parse(process.argv[2]);
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");

class Controller extends AgvController {
  // the virtual adapter says nothing of itself
  updateFactsheet(factsheet) {
    super.updateFactsheet(asked.factsheet || factsheet);
  }
}

class Adapter extends VirtualAgvAdapter {
  // a street that the robot alone knows to be closed: the library rejects by its own rules
  isRouteTraversable(context) {
    const closed = context.nodes.find((node) => (asked.blocked || []).includes(node.nodeId));
    return closed
      ? [{ referenceKey: "nodeId", referenceValue: closed.nodeId }]
      : super.isRouteTraversable(context);
  }

  // the truth is told from where the load changes, not from what the state says
  get actionDefinitions() {
    return super.actionDefinitions.map((definition) => {
      const did = { pick: "picked", drop: "dropped" }[definition.actionType];
      if (!did) return definition;
      const finished = definition.transitions.FINISHED;
      const linkedState = (context) => {
        const load = context.action.actionParameters.find((p) => p.key === "loadId");
        tell({ agv: this.controller.agvId.serialNumber, did, load: load && load.value });
        return finished.linkedState(context);
      };
      const transitions = { ...definition.transitions, FINISHED: { ...finished, linkedState } };
      return { ...definition, transitions };
    });
  }
}

async function main() {
  const robots = [];
  for (let i = 0; i < asked.count; i++) {
    robots.push(
      new Controller(
        { manufacturer: asked.manufacturer || "ACME", serialNumber: `R-${i}` },
        {
          interfaceName: asked.prefix || "uagv",
          vdaVersion: "2.0.0",
          transport: { brokerUrl: asked.url, heartbeat: 5, ...(asked.tls || {}) },
        },
        {
          agvAdapterType: Adapter,
          publishStateInterval: asked.stateIntervalMs || 10000,
          publishVisualizationInterval: 1000,
        },
        {
          initialPosition: {
            mapId: asked.mapId, x: asked.spacing * i, y: 0, theta: 0, lastNodeId: "home",
          },
          timeLapse: asked.timeLapse || 4,
          initialBatteryCharge: asked.batteryPct || 100,
        },
      ),
    );
  }
  await Promise.all(robots.map((robot) => robot.start()));
  tell({ ready: robots.length });
  process.stdin.resume();
  process.stdin.on("end", async () => {
    await Promise.all(robots.map((robot) => robot.stop()));
    process.exit(0);
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
