import { namedStatement, partsOf, wordsOf } from "./ddl.js";
import { triggersOf } from "./definition.js";

interface ReplayedTable {
  columns: Set<string>;
  /** Name → meaning. */
  triggers: Map<string, string>;
}

/** The tables that migrations, given in order, leave behind. */
export function replay(migrations: readonly string[]): Map<string, ReplayedTable> {
  const tables = new Map<string, ReplayedTable>();
  for (const migration of migrations) {
    for (const part of migration.split("--> statement-breakpoint")) {
      for (const statement of statementsIn(wordsOf(part))) play(tables, statement);
    }
  }
  return tables;
}

/** A trigger's own statements end with a semicolon, too, and it with `end`. */
function statementsIn(words: readonly string[]): string[][] {
  const statements: string[][] = [[]];
  for (const [i, word] of words.entries()) {
    const statement = statements.at(-1)!;
    if (word !== ";") statement.push(word);
    else if (/^create (?:temp(?:orary)? )?trigger /.test(statement.join(" ")) && words[i - 1] !== "end")
      statement.push(word);
    else statements.push([]);
  }
  return statements.filter((statement) => statement.length > 0);
}

function play(tables: Map<string, ReplayedTable>, words: readonly string[]): void {
  const [verb, kind] = words;
  const { kind: made, name, meaning } = namedStatement(words);
  if (made === "table")
    tables.set(name, { columns: new Set(partsOf(words).columns.keys()), triggers: new Map() });
  if (made === "trigger") tables.get(words[words.indexOf("on") + 1]!)?.triggers.set(name, meaning);
  if (verb === "drop" && kind === "table") tables.delete(words.at(-1)!);
  if (verb === "drop" && kind === "trigger") {
    for (const { triggers } of tables.values()) triggers.delete(words.at(-1)!);
  }
  const table = tables.get(words[2]!);
  if (verb !== "alter" || kind !== "table" || !table) return;
  if (words[3] === "add") table.columns.add(words[words[4] === "column" ? 5 : 4]!);
  if (words[3] === "rename" && words[4] === "to") {
    tables.delete(words[2]!);
    tables.set(words[5]!, table);
  }
}

const OF_A_LOG = ["seq", "id", "action", "trace_id", "cortex_id", "vclock"];

/** The logs among the tables, and whether each has its triggers. */
export function logsIn(tables: Map<string, ReplayedTable>): { name: string; hasTriggers: boolean }[] {
  const logs = [...tables].filter(([, { columns }]) => OF_A_LOG.every((column) => columns.has(column)));
  return logs.map(([name, { triggers }]) => {
    const wanted = triggersOf(name);
    const there = new Set(triggers.values());
    return { name, hasTriggers: wanted.every(({ meaning }) => there.has(meaning)) };
  });
}
