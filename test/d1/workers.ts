import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

export interface Workers {
  /** Asks one of them; what it answers as JSON. Throws unless the status is 200. */
  ask(worker: number, path: string, body?: unknown): Promise<any>;
  /** The same as `fetch`, for a peer's. */
  fetch(worker: number): typeof fetch;
  close(): Promise<void>;
}

/**
 * Workers of one script, each an isolate of its own, on the same D1 databases: the first step of a path is the name
 * of one.
 */
export async function startWorkers(count: number, logs: readonly string[]): Promise<Workers> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("worker.ts", import.meta.url))],
    ...{ bundle: true, write: false, format: "esm", platform: "neutral", target: "es2022" },
    ...{ conditions: ["workerd", "worker", "browser"], mainFields: ["module", "main"] },
  });
  const script = outputFiles[0]!.text;
  const flare = new Miniflare({
    workers: Array.from({ length: count }, (_, i) => ({
      ...{ name: `worker-${i}`, modules: true, script, compatibilityDate: "2025-06-01" },
      d1Databases: [...logs],
    })),
  });
  const workers = await Promise.all(Array.from({ length: count }, (_, i) => flare.getWorker(`worker-${i}`)));
  const fetchOf = (worker: number): typeof fetch => {
    // Types of Cloudflare's, which are not the DOM's.
    const { fetch } = workers[worker] as any;
    return fetch.bind(workers[worker]);
  };
  return {
    fetch: fetchOf,
    async ask(worker, path, body) {
      const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      const answer = await fetchOf(worker)(`http://worker${path}`, init);
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(`${path} answered with ${answer.status}: ${text}`);
      return JSON.parse(text);
    },
    close: () => flare.dispose(),
  };
}
