// Three cortexes on this machine edit the same notes offline, sync, see where they diverged; one comes back from an old
// backup, its fork is seen and mended; all end with equal logs: npm run example:federation. A cortex is in node.ts.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { divergences } from "drizzle-event-log";
import { styled } from "../terminal.js";
import { log, mend, type Node, openNode, pullFrom, serve, summary, write } from "./node.js";

const directory = mkdtempSync(join(tmpdir(), "federation-"));
const token = randomUUID();
const online: { node: Node; url: string; close(): void }[] = [];
const fileOf = (name: string) => join(directory, `${name}.db`);

try {
  process.exitCode = await main();
} finally {
  for (const { node, close } of online) {
    close();
    node.db.$client.close();
  }
  rmSync(directory, { recursive: true });
}

async function main(): Promise<number> {
  heading("Two cortexes");
  const laptop = await addNode("laptop");
  const phone = await addNode("phone");
  await write(laptop, "shopping", "milk");
  await write(laptop, "travel", "Lisbon in May");
  await sync();

  heading("Both edit the same note, offline");
  await write(laptop, "shopping", "milk, bread");
  await write(phone, "shopping", "milk, eggs");
  console.log("laptop: milk, bread\nphone:  milk, eggs");

  heading("They sync: nothing is lost, and both see that the note diverged");
  await sync();
  await printDivergences(laptop);
  await printDivergences(phone);

  heading("A third cortex joins, and edits the other note while the laptop does");
  const desktop = await addNode("desktop");
  await sync();
  await write(desktop, "travel", "Lisbon in June");
  await write(laptop, "travel", "Porto in May");
  await sync();
  await printDivergences(desktop);

  heading("The phone merges both: each write knows all that its log holds, so it comes after both heads");
  await write(phone, "shopping", "milk, bread, eggs");
  await write(phone, "travel", "Porto in May, Lisbon in June");
  await sync();
  for (const { node } of online) await printDivergences(node);

  heading("The phone breaks, comes back from a backup, and writes before it pulls");
  await phone.db.run(`vacuum into '${fileOf("backup")}'`);
  await write(phone, "shopping", "milk, bread, eggs, tea");
  await sync();
  takeOffline(phone);
  const restored = await addNode("phone", await openNode("phone", fileOf("backup"), phone.cortex.id));
  await write(restored, "travel", "Porto in June");
  await sync();

  heading("Mended: a new log and cortex, all that the others have, and then what only the old log has");
  takeOffline(restored);
  const mended = await addNode("new phone");
  await sync();
  const { salvaged, present } = await mend(restored, mended);
  console.log(`salvaged ${salvaged} event, ${present} were there`);
  await sync();

  heading("The logs");
  const summaries = await Promise.all(online.map(({ node }) => summary(node)));
  for (const [i, { count, hash, notes }] of summaries.entries()) {
    console.log(
      `${online[i]!.node.name.padEnd(9)} ${count} events, sha256 ${hash.slice(0, 16)}…, notes ${notes}`,
    );
  }
  const open = await Promise.all(online.map(({ node }) => divergences(node.db, { table: log })));
  const equal = new Set(summaries.map((one) => JSON.stringify(one))).size === 1 && open.flat().length === 0;
  console.log(equal ? styled("green", "\nOK: the logs are equal") : styled("red", "\nThe logs differ"));
  return equal ? 0 : 1;
}

/** A cortex with an address, and a new file unless it has one. */
async function addNode(name: string, opened?: Node): Promise<Node> {
  const node = opened ?? (await openNode(name, fileOf(name)));
  const { url, close } = await serve(node, token);
  online.push({ node, url, close });
  console.log(`${name} serves its log at ${url}`);
  return node;
}

/** Everyone pulls from the next in a ring, until nobody learns anything: that is all that federation takes. */
async function sync(): Promise<void> {
  for (let news = true; news; ) {
    news = false;
    for (const [i, { node }] of online.entries()) {
      const from = online[(i + 1) % online.length]!;
      const { stored, refused } = await pullFrom(node, from.url, token);
      const told = refused.map(({ error }) => `${error.code}: ${error.message}`);
      if (stored > 0) told.unshift(`${stored} new`);
      for (const text of told) {
        const what = text.startsWith("FORK") ? styled("red", text) : text;
        console.log(`${node.name.padEnd(9)} ← ${from.node.name.padEnd(9)} ${what}`);
      }
      if (stored > 0) news = true;
    }
  }
}

function takeOffline(node: Node): void {
  const [{ close }] = online.splice(
    online.findIndex((one) => one.node === node),
    1,
  ) as [(typeof online)[0]];
  close();
}

async function printDivergences({ name, db }: Node): Promise<void> {
  const diverged = await divergences(db, { table: log });
  if (diverged.length === 0) console.log(`${name}: nothing diverges`);
  for (const { traceId, heads } of diverged) {
    const sides = heads.map(({ origin, data }) => `"${data.text}" (${origin})`);
    console.log(`${name}: "${traceId}" diverges: ${sides.join(" and ")}`);
  }
}

function heading(text: string): void {
  console.log(styled("bold", `\n== ${text}`));
}
