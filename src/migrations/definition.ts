import type { LogProblem } from "../migration-error.js";
import { type NamedStatement, namedStatement, partsOf, type TableParts, wordsOf } from "./ddl.js";
import { MIGRATIONS, type Migration } from "./sql.js";

/** The statements of a migration, for a table of any name. */
export function statementsOf({ sql }: Migration, table: string): string[] {
  return sql(table)
    .split("--> statement-breakpoint")
    .map((statement) => statement.trim());
}

/** What makes up a log. */
export interface Definition {
  table: string;
  parts: TableParts;
  /** Its indexes and triggers. */
  made: (NamedStatement & { sql: string })[];
}

const definitions = new Map<string, Definition>();

export function definitionOf(table: string): Definition {
  const known = definitions.get(table);
  if (known) return known;
  const statements = MIGRATIONS.flatMap((migration) => statementsOf(migration, table));
  const all = statements.map((sql) => ({ sql, ...namedStatement(wordsOf(sql)) }));
  const parts = partsOf(wordsOf(all.find(({ kind }) => kind === "table")!.sql));
  const definition = { table, parts, made: all.filter(({ kind }) => kind !== "table") };
  definitions.set(table, definition);
  return definition;
}

/** A row of `sqlite_master`. */
export interface SchemaRow {
  type: string;
  name: string;
  sql: string;
}

/** Where what is there differs from the definition, in its meaning. */
export function problemsOf({ table, parts, made }: Definition, rows: readonly SchemaRow[]): LogProblem[] {
  const self = rows.find(({ name }) => name.toLowerCase() === table.toLowerCase());
  if (!self) return [{ kind: "table", name: table, problem: "missing" }];
  if (self.type !== "table") return [{ kind: "table", name: table, problem: "different" }];
  const actual = partsOf(wordsOf(self.sql));
  const others: LogProblem[] = actual.others.map(() => ({
    kind: "table",
    name: table,
    problem: "different",
  }));
  return [
    ...others.slice(0, 1),
    ...columnProblems(parts.columns, actual.columns),
    ...meaningProblems("check", parts.checks, actual.checks),
    ...madeProblems("index", made, rows),
    ...madeProblems("trigger", made, rows),
  ];
}

function columnProblems(expected: Map<string, string>, actual: Map<string, string>): LogProblem[] {
  const problems: LogProblem[] = [];
  for (const [name, definition] of expected) {
    const found = actual.get(name);
    if (found !== definition)
      problems.push({ kind: "column", name, problem: found === undefined ? "missing" : "different" });
  }
  for (const name of actual.keys()) {
    if (!expected.has(name)) problems.push({ kind: "column", name, problem: "unknown" });
  }
  return problems;
}

function madeProblems(
  kind: "index" | "trigger",
  made: Definition["made"],
  rows: readonly SchemaRow[],
): LogProblem[] {
  const expected = made.filter((statement) => statement.kind === kind);
  const actual = rows.filter(({ type }) => type === kind).map(({ sql }) => namedStatement(wordsOf(sql)));
  const meanings = (list: readonly NamedStatement[]) =>
    new Map(list.map((made) => [made.name, made.meaning]));
  const problems = meaningProblems(kind, meanings(expected), meanings(actual));
  // The app's own triggers are its own matter, and so are its indexes, but for those that refuse events.
  const refuses = ({ name, problem }: LogProblem) =>
    problem !== "unknown" || actual.find((made) => made.name === name)?.meaning.startsWith("create unique ");
  return problems.filter(refuses);
}

/** The same under another name is the same. */
function meaningProblems(
  kind: "check" | "index" | "trigger",
  expected: Map<string, string>,
  actual: Map<string, string>,
): LogProblem[] {
  const [there, wanted] = [new Set(actual.values()), new Set(expected.values())];
  const problems: LogProblem[] = [];
  for (const [name, meaning] of expected) {
    if (there.has(meaning)) continue;
    problems.push({ kind, name, problem: actual.has(name) ? "different" : "missing" });
  }
  for (const [name, meaning] of actual) {
    if (!wanted.has(meaning) && !expected.has(name)) problems.push({ kind, name, problem: "unknown" });
  }
  return problems;
}
