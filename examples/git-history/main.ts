// Replays a git repository into a small Drizzle app: npm start -- [path]. See replay.ts for the writing.
import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { printable, styled } from "../terminal.js";
import { openDatabase } from "./database.js";
import { gitDir, headOf, isShallow } from "./git.js";
import { Overtaken, replay } from "./replay.js";
import { differences, printLatest, printMostChanged, printTotals, progressBar } from "./report.js";

process.exitCode = await main(process.argv[2] ?? ".");

async function main(repo: string): Promise<number> {
  let directory: string;
  try {
    directory = await gitDir(repo);
  } catch (error) {
    console.error(
      `${printable(repo)} is not a git repository that can be read.\n${(error as Error).message}`,
    );
    return 2;
  }
  const head = await headOf(repo);
  if (head === undefined) {
    console.log("This repository has no commits yet: nothing to replay.");
    return 0;
  }
  const file = databaseFile(directory);
  console.log(`Replaying ${printable(directory)} into ${file}`);
  if (await isShallow(directory)) {
    console.warn(
      "This clone is shallow: the log begins at its oldest commit. For all: git fetch --unshallow",
    );
  }
  const db = await openDatabase(file);
  try {
    await replay(db, repo, head, progressBar());
    await printMostChanged(db);
    await printLatest(db);
    await printTotals(db);
    const found = await differences(db, repo, head);
    if (found.length === 0) console.log(styled("green", `OK: the log folds to the tree of ${head}`));
    else console.log(`The log does not fold to the tree of ${head}:`);
    for (const difference of found.slice(0, 20)) console.log(printable(difference));
    if (found.length > 20) console.log(`… and ${found.length - 20} more`);
    return found.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Overtaken)) throw error;
    console.error("Another run is replaying this repository: this one stops.");
    return 1;
  } finally {
    db.$client.close();
  }
}

/** One database per repository, wherever in it the example is started from. */
function databaseFile(directory: string): string {
  const root = basename(directory) === ".git" ? dirname(directory) : directory;
  const name = basename(root).replace(/[^\w.-]/g, "_");
  const hash = createHash("sha256").update(directory).digest("hex").slice(0, 8);
  return `.data/git-history-${name}-${hash}.db`;
}
