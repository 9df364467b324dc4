import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "huge-events-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a task of huge-events.ts, with less memory than all events take as one text. */
function run(task: string, log: string, count: number, size = 0) {
  const script = fileURLToPath(new URL("huge-events.ts", import.meta.url));
  const args = ["--max-old-space-size=3000", "--import", "tsx", script, task, join(folder, log)];
  const options = { encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  return spawnSync(process.execPath, [...args, String(count), String(size)], options);
}

function found(task: string, log: string, count: number, size?: number) {
  const { status, signal, stdout, stderr } = run(task, log, count, size);
  expect({ status, signal, stderr: stderr.slice(-2000) }).toMatchObject({ status: 0, signal: null });
  return stdout === "" ? undefined : JSON.parse(stdout);
}

const ALPHA = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const BETA = "01BX5ZZKBKACTAV9WEVGEMMVS0";

const whole = (events: number) => {
  const list = { events, inOrder: true };
  return {
    ...{ "feed by seq": list, "feed by cursor": list, pages: list, tail: list, "forTrace by pages": list },
    ...{ since: list, latest: list, missing: list, forTrace: list, stateAt: events },
  };
};

test("600 events of 1 MiB in one trace: every read answers, and completely", () => {
  found("fill", "huge", 600, MIB);
  const { paged, peak, ...answers } = found("read", "huge", 600, MIB);
  console.log(
    `600 events of 1 MiB: at most ${paged} MiB by pages, ${peak} MiB with the whole history at once`,
  );
  expect(answers).toEqual({
    ...whole(600),
    heads: [599, 600],
    divergences: [[599, 600]],
    pull: { stored: 600, refused: 0, clock: { [ALPHA]: 599, [BETA]: 1 } },
  });
  expect(paged).toBeLessThan(700);
}, 600_000);

test("as one text, which no read asks for, they end the process", () => {
  const { status, stdout, stderr } = run("unbounded", "huge", 600, MIB);
  expect(stdout).toBe("");
  expect(status).not.toBe(0);
  expect(stderr).not.toBe("");
}, 120_000);

test("a page has one event at least: events of over 16 MiB each are read, one a page", () => {
  found("fill", "larger", 5, 20 * MIB);
  const { paged, peak, ...answers } = found("read", "larger", 5, 20 * MIB);
  console.log(
    `5 events of 20 MiB: at most ${paged} MiB by pages, ${peak} MiB with the whole history at once`,
  );
  expect(answers).toMatchObject({ ...whole(5), heads: [4, 5], divergences: [[4, 5]] });
}, 300_000);

test("3,000 events with clocks of 256 entries: every page is bounded by them, too", () => {
  found("fillClocks", "clocks", 3000);
  const { paged, peak, ...answers } = found("read", "clocks", 3000);
  console.log(`3,000 clocks of 256 entries: at most ${paged} MiB by pages, ${peak} MiB in all`);
  const { missing: _, ...lists } = whole(3000);
  expect(answers).toMatchObject({ ...lists, heads: [3000], divergences: [] });
}, 300_000);
