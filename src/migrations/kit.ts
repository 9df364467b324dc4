import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

/** The command cannot go on; the message says what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The folder of the app's own drizzle-kit. */
export function findKit(cwd: string): string {
  try {
    // Node knows where, also where there is no node_modules, as with Yarn's Plug'n'Play.
    return dirname(createRequire(join(cwd, "package.json")).resolve("drizzle-kit"));
  } catch {
    throw new CommandError(
      "drizzle-kit is not installed here. Install it, or call migrateEvents of drizzle-event-log/migrations instead.",
    );
  }
}

export function findConfig(cwd: string, given: string | undefined): string {
  const names = ["ts", "js", "mjs", "mts", "cjs", "cts", "json"].map((end) => `drizzle.config.${end}`);
  const found = given ?? names.find((name) => existsSync(join(cwd, name)));
  if (found && existsSync(resolve(cwd, found))) return resolve(cwd, found);
  throw new CommandError(
    given ? `There is no ${given}.` : "There is no drizzle.config.* here. Where is it? Say --config <file>.",
  );
}

/** The folder of migrations that the configuration names: drizzle-kit itself reads the file, TypeScript or not. */
export function outOf(config: string, kit: string, cwd: string): string {
  const folder = mkdtempSync(join(tmpdir(), "drizzle-event-log-"));
  try {
    const [probe, answer] = [join(folder, "probe.config.ts"), join(folder, "answer.json")];
    // It ends there, before drizzle-kit does anything.
    const code = `import * as config from ${JSON.stringify(config)};
import { writeFileSync } from "node:fs";
const { dialect, out } = (config as any).default?.default ?? (config as any).default ?? config;
writeFileSync(${JSON.stringify(answer)}, JSON.stringify({ dialect, out }));
process.exit(0);
`;
    writeFileSync(probe, code);
    const output = runKit(kit, cwd, ["check", "--config", probe]);
    if (!existsSync(answer)) {
      throw new CommandError(`drizzle-kit cannot read ${config}:\n${output}`);
    }
    const { dialect, out = "drizzle" } = JSON.parse(readFileSync(answer, "utf8")) as Record<string, string>;
    if (dialect && !/^(?:sqlite|turso)$/.test(dialect)) {
      throw new CommandError(
        `The log is for SQLite; the dialect of ${config} is ${dialect}. Another one? Say --config <file>.`,
      );
    }
    return out;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runKit(kit: string, cwd: string, args: readonly string[]): string {
  const { bin } = JSON.parse(readFileSync(join(kit, "package.json"), "utf8")) as {
    bin: Record<string, string>;
  };
  const script = join(kit, bin["drizzle-kit"] ?? "bin.cjs");
  const { stdout, stderr } = spawnSync(process.execPath, [script, ...args], { cwd, encoding: "utf8" });
  return stdout + stderr;
}

interface JournalEntry {
  tag: string;
  when: number;
}

/** What drizzle-kit 0.31 keeps; 1.0 has none. */
function journalOf(out: string): JournalEntry[] | undefined {
  const journal = join(out, "meta", "_journal.json");
  if (!existsSync(journal)) return undefined;
  try {
    return (JSON.parse(readFileSync(journal, "utf8")) as { entries: JournalEntry[] }).entries;
  } catch (error) {
    throw new CommandError(`${journal} cannot be read: ${(error as Error).message}`);
  }
}

/** The SQL files of a folder of migrations, in order: drizzle-kit 0.31 keeps a journal, 1.0 a folder for each. */
export function migrationFiles(out: string): string[] {
  const journal = journalOf(out);
  if (journal) return journal.map(({ tag }) => join(out, `${tag}.sql`));
  if (!existsSync(out)) return [];
  const files = readdirSync(out).map((name) => join(out, name, "migration.sql"));
  return files.filter((file) => existsSync(file)).sort((a, b) => a.localeCompare(b));
}

export function sqlIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandError(`A migration cannot be read: ${(error as Error).message}`);
  }
}

/** Lets drizzle-kit make an empty migration, the last one, and answers with its file. */
export function customMigration(kit: string, cwd: string, config: string, out: string): string {
  waitForTurn(out);
  const before = migrationFiles(out);
  // With the prefix "none" drizzle-kit 0.31 would write over the one of the same name.
  const others = before.filter((file) => file.includes("append-only")).length;
  const name = others === 0 ? "append-only" : `append-only-${others + 1}`;
  const output = runKit(kit, cwd, ["generate", "--custom", "--name", name, "--config", config]);
  // It exits with 0 also when it fails.
  const made = migrationFiles(out).find((file) => !before.includes(file));
  if (!made) throw new CommandError(`drizzle-kit made no migration in ${out}:\n${output}`);
  return made;
}

/**
 * Until no migration is of this time or later: Drizzle 0.45 would never apply the new one, and 1.0, which orders them
 * by name and names them by the second, would apply it first.
 */
function waitForTurn(out: string): void {
  const ahead = newest(out) - Date.now();
  if (ahead < 0) return;
  if (ahead > 2000) {
    throw new CommandError(
      `A migration in ${out} is of a later time than this machine's clock, by ${Math.ceil(ahead / 1000)} seconds: ` +
        "one made now would come before it. Set the clock right, or the migration's time.",
    );
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ahead + 1);
}

/** When the second or millisecond of the last migration ends. */
function newest(out: string): number {
  const journal = journalOf(out);
  if (journal) return Math.max(0, ...journal.map(({ when }) => when));
  const ends = migrationFiles(out).map((file) => {
    const name = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(basename(dirname(file)));
    if (!name) return 0;
    const [, year, month, day, hour, minute, second] = name;
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.999Z`) || 0;
  });
  return Math.max(0, ...ends);
}
