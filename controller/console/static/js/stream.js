// Feeds the reducer from the live stream; opens it again when it breaks.

const NAMES = ["snapshot", "clock", "parcel", "vehicle", "alarms", "held", "zones"];
const SILENT_MS = 12000;
const RETRY_MS = 1500;

export function follow(store, url = "/v1/stream") {
  let source = null;
  let lastHeard = performance.now();
  let retry = 0;

  function open() {
    clearTimeout(retry);
    if (source) source.close();
    lastHeard = performance.now();
    source = new EventSource(url);
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        lastHeard = performance.now();
        store.send({ type: name, data: JSON.parse(message.data), heardAt: lastHeard });
      });
    }
    source.onerror = () => {
      store.send({ type: "link", data: "lost" });
      source.close();
      clearTimeout(retry);
      retry = setTimeout(open, RETRY_MS);
    };
  }

  open();
  setInterval(() => {
    if (performance.now() - lastHeard > SILENT_MS) {
      store.send({ type: "link", data: "lost" });
      open();
    }
  }, 2000);
}
