import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** The command cannot go on; the message says what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The folder of the app's own drizzle-kit. */
export function findKit(cwd: string): string {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const kit = join(folder, "node_modules", "drizzle-kit");
    if (existsSync(join(kit, "package.json"))) return kit;
    if (dirname(folder) === folder) break;
  }
  throw new CommandError(
    "drizzle-kit is not installed here. Install it, or call migrateEvents of drizzle-event-log/migrations instead.",
  );
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
      throw new CommandError(
        `drizzle-kit cannot read ${config}. Say --out <the folder of migrations>.\n${output}`,
      );
    }
    const { dialect, out = "drizzle" } = JSON.parse(readFileSync(answer, "utf8")) as Record<string, string>;
    if (dialect && !/^(?:sqlite|turso)$/.test(dialect)) {
      throw new CommandError(`The log is for SQLite; the dialect of ${config} is ${dialect}.`);
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

/** The SQL files of a folder of migrations, in order: drizzle-kit 0.31 keeps a journal, 1.0 a folder for each. */
export function migrationFiles(out: string): string[] {
  const journal = join(out, "meta", "_journal.json");
  if (existsSync(journal)) {
    const { entries } = JSON.parse(readFileSync(journal, "utf8")) as { entries: { tag: string }[] };
    return entries.map(({ tag }) => join(out, `${tag}.sql`));
  }
  if (!existsSync(out)) return [];
  const files = readdirSync(out).map((name) => join(out, name, "migration.sql"));
  return files.filter((file) => existsSync(file)).sort();
}

/** Lets drizzle-kit make an empty migration and answers with its file. */
export function customMigration(kit: string, cwd: string, config: string, out: string): string {
  const before = new Set(migrationFiles(out));
  const output = runKit(kit, cwd, ["generate", "--custom", "--name", "append-only", "--config", config]);
  // It exits with 0 also when it fails.
  const made = migrationFiles(out).find((file) => !before.has(file));
  if (!made) throw new CommandError(`drizzle-kit made no migration in ${out}:\n${output}`);
  return made;
}
