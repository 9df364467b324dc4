// The migrations of the schema, by `npm run generate`: drizzle/ for drizzle-kit and Drizzle's migrators (v1's layout
// in drizzle/v1), and the same as code in src/migrations/sql.ts. Does nothing where nothing has changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConsumersTable, createEventsTable } from "drizzle-event-log/schema";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { triggersSQL } from "../src/migrations/triggers.js";

const FOLDER = "drizzle";
const JOURNAL = `${FOLDER}/meta/_journal.json`;
const CODE = "src/migrations/sql.ts";
// Placeholders, in the order of the alphabet as the names are.
const CONSUMERS = "__A_CONSUMERS__";
const TABLE = "__B_TABLE__";

interface Journal {
  entries: { tag: string; when: number }[];
}

// Until a first release: one initial pair, made anew when the schema has changed.
if (!kit("generate", "--name", "events").includes("No schema changes")) {
  rmSync(FOLDER, { recursive: true });
  kit("generate", "--name", "events");
  kit("generate", "--custom", "--name", "append_only");
}
writeFileSync(`${FOLDER}/0001_append_only.sql`, triggersSQL("events"));
const journal = wholeSeconds();
writeV1Layout();
writeFileSync(CODE, await code());
run("node_modules/.bin/biome", "format", "--write", CODE);

function kit(...args: string[]): string {
  const output = run("node_modules/.bin/drizzle-kit", ...args);
  // It exits with 0 also when it fails.
  if (!/No schema changes|\[✓\] Your SQL migration/.test(output)) throw new Error(output);
  return output;
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/** Drizzle 1.0 records a migration by the second, 0.45 by the millisecond: so each can read what the other wrote. */
function wholeSeconds(): Journal {
  const { entries, ...rest } = JSON.parse(readFileSync(JOURNAL, "utf8")) as Journal;
  const first = Math.floor(entries[0]!.when / 1000) * 1000;
  for (const [i, entry] of entries.entries()) entry.when = first + i * 1000;
  const journal = { ...rest, entries };
  writeFileSync(JOURNAL, JSON.stringify(journal, null, 2));
  return journal;
}

function writeV1Layout(): void {
  rmSync(`${FOLDER}/v1`, { recursive: true, force: true });
  for (const entry of journal.entries) {
    mkdirSync(`${FOLDER}/v1/${v1Name(entry)}`, { recursive: true });
    cpSync(`${FOLDER}/${entry.tag}.sql`, `${FOLDER}/v1/${v1Name(entry)}/migration.sql`);
  }
}

function v1Name({ tag, when }: { tag: string; when: number }): string {
  const time = new Date(when).toISOString().replaceAll(/\D/g, "").slice(0, 14);
  return `${time}${tag.slice(4)}`;
}

async function code(): Promise<string> {
  const made = await generateSQLiteMigration(
    await generateSQLiteDrizzleJson({}),
    await generateSQLiteDrizzleJson({
      consumers: createConsumersTable(CONSUMERS),
      events: createEventsTable(TABLE),
    }),
  );
  const sources = [made.join("--> statement-breakpoint\n"), triggersSQL(TABLE)];
  const migrations = journal.entries.map((entry, i) => {
    const text = readFileSync(`${FOLDER}/${entry.tag}.sql`, "utf8");
    if (sources[i]?.replaceAll(TABLE, "events").replaceAll(CONSUMERS, "consumers") !== text)
      throw new Error(`${entry.tag}.sql is of another schema`);
    const hash = createHash("sha256").update(text).digest("hex");
    const template = sources[i]!.replaceAll(/[`\\]|\$\{/g, "\\$&")
      .replaceAll(TABLE, `\${table}`)
      .replaceAll(CONSUMERS, `\${consumers}`);
    const parameters = template.includes(`\${consumers}`) ? 'table, consumers = "consumers"' : "table";
    return `{ tag: "${entry.tag}", name: "${v1Name(entry)}", createdAt: ${entry.when},
      hash: "${hash}", sql: (${parameters}) => \`${template}\` },`;
  });
  return `// Made by \`npm run generate\` from src/schema.ts and triggers.ts: do not edit.

export interface Migration {
  /** Its file in drizzle/, and its folder in drizzle/v1. */
  readonly tag: string;
  readonly name: string;
  /** How Drizzle's migrators know it again, in 0.45 by the time, in 1.0 by the name. */
  readonly createdAt: number;
  readonly hash: string;
  /** The second name is that of the table of consumers; default \`consumers\`. */
  readonly sql: (table: string, consumers?: string) => string;
}

export const MIGRATIONS: readonly Migration[] = [\n${migrations.join("\n")}\n];
`;
}
