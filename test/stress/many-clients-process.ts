// A process that opens one file several times: by its name, through a symbolic link, in worker threads.
import { Worker } from "node:worker_threads";
import { argument, ready, say } from "./child.js";
import { type ClientArguments, type ClientReport, writeAsClient } from "./many-clients-worker.js";

export interface ManyArguments {
  clients: readonly (ClientArguments & { isThread: boolean })[];
}

const { clients } = argument<ManyArguments>();
await ready();
say(await Promise.all(clients.map((client) => (client.isThread ? inThread(client) : writeAsClient(client)))));

function inThread(client: ClientArguments): Promise<ClientReport> {
  return new Promise((resolve, reject) => {
    // Node 20 does not load TypeScript in a thread by `--import`.
    const program = `import("tsx/esm/api").then(({ register }) => {
      register();
      return import(${JSON.stringify(new URL("./many-clients-worker.ts", import.meta.url).href)});
    })`;
    const worker = new Worker(program, { eval: true, workerData: client });
    worker.on("message", resolve);
    worker.on("error", reject);
  });
}
