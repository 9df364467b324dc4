import type { LogProblem } from "../migration-error.js";
import { type NamedStatement, namedStatement, partsOf, type TableParts, wordsOf } from "./ddl.js";
import { MIGRATIONS, type Migration } from "./sql.js";

/** The names of a log's tables. */
export interface LogNames {
  table: string;
  consumers: string;
}

/** The statements of a migration, for tables of any name. */
export function statementsOf({ sql }: Migration, { table, consumers }: LogNames): string[] {
  return sql(table, consumers)
    .split("--> statement-breakpoint")
    .map((statement) => statement.trim());
}

interface Made extends NamedStatement {
  sql: string;
}

/** What makes up a log. */
export interface Definition extends LogNames {
  parts: TableParts;
  /** Its indexes and triggers. */
  made: Made[];
  /** The table of its consumers. */
  consumersTable: { sql: string; parts: TableParts };
}

const definitions = new Map<string, Definition>();

export function definitionOf(names: LogNames): Definition {
  const { table, consumers } = names;
  const key = `${table} ${consumers}`;
  const known = definitions.get(key);
  if (known) return known;
  const statements = MIGRATIONS.flatMap((migration) => statementsOf(migration, names));
  const all = statements.map((sql) => ({ sql, ...namedStatement(wordsOf(sql)) }));
  const tableOf = (name: string): { sql: string; parts: TableParts } => {
    const { sql } = all.find((made) => made.kind === "table" && made.name === name.toLowerCase())!;
    return { sql, parts: partsOf(wordsOf(sql)) };
  };
  const made = all.filter(({ kind }) => kind !== "table");
  const definition = { ...names, parts: tableOf(table).parts, made, consumersTable: tableOf(consumers) };
  definitions.set(key, definition);
  return definition;
}

/** The log's triggers. */
export function triggersOf(table: string): Made[] {
  return definitionOf({ table, consumers: "consumers" }).made.filter(({ kind }) => kind === "trigger");
}

/** A row of `sqlite_master`. */
export interface SchemaRow {
  /** The table that it is about. */
  table: string;
  type: string;
  name: string;
  sql: string;
}

/** Where what is there differs from the definition, in its meaning; the table of consumers aside. */
export function problemsOf({ table, parts, made }: Definition, rows: readonly SchemaRow[]): LogProblem[] {
  const problems = tableProblems(table, parts, rows);
  if (rowOf(table, rows)?.type !== "table") return problems;
  const own = rows.filter((row) => row.table.toLowerCase() === table.toLowerCase());
  return [...problems, ...madeProblems("index", made, own), ...madeProblems("trigger", made, own)];
}

/** The same for the table of consumers. */
export function consumersProblems(definition: Definition, rows: readonly SchemaRow[]): LogProblem[] {
  const { consumers, consumersTable } = definition;
  const problems = tableProblems(consumers, consumersTable.parts, rows);
  const named = (name: string) => `${consumers}.${name}`;
  return problems.map((one) => (one.kind === "column" ? { ...one, name: named(one.name) } : one));
}

function rowOf(table: string, rows: readonly SchemaRow[]): SchemaRow | undefined {
  return rows.find(({ name }) => name.toLowerCase() === table.toLowerCase());
}

function tableProblems(table: string, parts: TableParts, rows: readonly SchemaRow[]): LogProblem[] {
  const self = rowOf(table, rows);
  if (!self) return [{ kind: "table", name: table, problem: "missing" }];
  const different: LogProblem = { kind: "table", name: table, problem: "different" };
  if (self.type !== "table") return [different];
  const actual = partsOf(wordsOf(self.sql));
  return [
    ...(actual.others.length > 0 ? [different] : []),
    ...columnProblems(parts.columns, actual.columns),
    ...meaningProblems("check", parts.checks, actual.checks),
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
  made: readonly Made[],
  rows: readonly SchemaRow[],
): LogProblem[] {
  const expected = made.filter((statement) => statement.kind === kind);
  const actual = rows.filter(({ type }) => type === kind).map(({ sql }) => namedStatement(wordsOf(sql)));
  const meanings = (list: readonly NamedStatement[]) =>
    new Map(list.map((made) => [made.name, made.meaning]));
  const problems = meaningProblems(kind, meanings(expected), meanings(actual));
  // The app's own triggers and indexes are its own matter, but for those that refuse events, or pass over them.
  const refuses = ({ name, problem }: LogProblem) =>
    problem !== "unknown" || REFUSES.test(actual.find((made) => made.name === name)?.meaning ?? "");
  return problems.filter(refuses);
}

const REFUSES = /^create unique |^create trigger (?:before )?insert .*\braise \( ignore/;

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
