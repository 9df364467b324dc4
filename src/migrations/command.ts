#!/usr/bin/env node
// `npx drizzle-event-log init`. Not in the door's index: it runs when it is imported.
import { writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { newULID } from "../ulid.js";
import { triggersOf } from "./definition.js";
import { CommandError, customMigration, findConfig, findKit, migrationFiles, outOf, sqlIn } from "./kit.js";
import { logsIn, replay } from "./replay.js";
import { triggersSQL } from "./triggers.js";

const USAGE = `drizzle-event-log init [--config <file>] [--table <name>]

  Adds a migration with the log's triggers to those of your drizzle-kit, which cannot make them,
  and prints a new cortex id. Run it again after a migration that rebuilds the table.

  --config  drizzle-kit's configuration, if it is not drizzle.config.*
  --table   only this log; otherwise every log among the migrations`;

try {
  main(process.argv.slice(2));
} catch (error) {
  const code = (error as { code?: string }).code ?? "";
  if (!(error instanceof CommandError) && !code.startsWith("ERR_PARSE_ARGS")) throw error;
  console.error((error as Error).message);
  process.exitCode = 1;
}

function main(args: string[]): void {
  const options = { config: { type: "string" }, table: { type: "string" } } as const;
  const help = { type: "boolean", short: "h" } as const;
  const { values, positionals } = parseArgs({ args, options: { ...options, help }, allowPositionals: true });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (positionals.join(" ") !== "init") throw new CommandError(USAGE);
  init(process.cwd(), values);
  console.log("\nA new cortex id, for openCortex. Each node makes one and keeps it:");
  console.log(newULID());
}

function init(cwd: string, { config: given, table }: Record<string, string | boolean | undefined>): void {
  const kit = findKit(cwd);
  const config = findConfig(cwd, given as string | undefined);
  const out = resolve(cwd, outOf(config, kit, cwd));
  const here = relative(cwd, out) || ".";
  const logs = logsIn(replay(migrationFiles(out).map(sqlIn)));
  const chosen = logs.filter(({ name }) => table === undefined || name === String(table).toLowerCase());
  if (chosen.length === 0) {
    throw new CommandError(
      `No migration in ${here} makes ${table === undefined ? "an events table" : `a log of the name ${table}`} yet. ` +
        "Export the table from your schema, and first run:\n  npx drizzle-kit generate",
    );
  }
  const lacking = chosen.filter(({ hasTriggers }) => !hasTriggers).map(({ name }) => name);
  const names = chosen.map(({ name }) => name).join(", ");
  if (lacking.length === 0) {
    console.log(`${here} has the triggers of ${names} already: nothing to do.`);
    return;
  }
  const file = customMigration(kit, cwd, config, out);
  writeFileSync(file, lacking.map(migrationOf).join("--> statement-breakpoint\n"));
  console.log(
    `${relative(cwd, file)} has the triggers of ${lacking.join(", ")}. Now run:\n  npx drizzle-kit migrate`,
  );
}

/** Whatever made some of the triggers before, such as `migrateEvents`. */
function migrationOf(table: string): string {
  const triggers = triggersOf(table);
  const drops = triggers.map(({ name }) => `DROP TRIGGER IF EXISTS \`${name}\`;\n--> statement-breakpoint\n`);
  return drops.join("") + triggersSQL(table);
}
