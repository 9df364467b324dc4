// What must come of a pull, told from all histories at once: by the events themselves, never by clocks or hashes.
import type SQLite from "better-sqlite3";

/** An event with a clock. */
export interface Clocked {
  id: string;
  cortexId: string;
  counter: number;
  vclock: Readonly<Record<string, number>>;
  /** What the change says, wherever and by whomever it is recorded. */
  content: string;
  /** All that it is. */
  text: string;
}

/** All that a log holds. */
export interface History {
  clocked: Clocked[];
  /** The ids of events without a clock. */
  local: string[];
  ids: ReadonlySet<string>;
  /** The ids of each cortex's events, by counter. */
  cortexes: ReadonlyMap<string, string[]>;
}

/** Of each event, the very events that its clock counts, by cortex. */
export type Causes = Map<string, ReadonlyMap<string, string>>;

const READ = `select id, cortex_id as cortexId, counter, vclock, json_array(action, trace_id, actor, data, meta) as content,
  json_array(id, action, trace_id, cortex_id, origin, actor, timestamp, data, meta, vclock, idempotency_key, proof) as text
  from events order by seq`;

const statements = new WeakMap<SQLite.Database, SQLite.Statement>();

export function readHistory(client: SQLite.Database): History {
  const statement = statements.get(client) ?? client.prepare(READ);
  statements.set(client, statement);
  const rows = statement.all() as (Clocked & { vclock: string | null })[];
  const clocked: Clocked[] = [];
  const cortexes = new Map<string, string[]>();
  for (const row of rows) {
    if (row.vclock === null) continue;
    clocked.push({ ...row, vclock: JSON.parse(row.vclock) });
    const ids = cortexes.get(row.cortexId) ?? [];
    if (ids.length === 0) cortexes.set(row.cortexId, ids);
    ids[row.counter - 1] = row.id;
  }
  const local = rows.filter(({ vclock }) => vclock === null).map(({ id }) => id);
  return { clocked, local, cortexes, ids: new Set(rows.map(({ id }) => id)) };
}

/** Notes the causes of events that were written to this log and not noted yet. */
export function noteCauses(causes: Causes, { clocked, cortexes }: History): number {
  const fresh = clocked.filter(({ id }) => !causes.has(id));
  for (const { id, vclock } of fresh) {
    causes.set(
      id,
      new Map(Object.entries(vclock).map(([cause, n]) => [cause, cortexes.get(cause)![n - 1]!])),
    );
  }
  return fresh.length;
}

/** The last counter at which both logs hold the same event of a cortex, if they hold different ones after it. */
export function lastCommon(a: History, b: History, cortexId: string): number | undefined {
  const [one, other] = [a.cortexes.get(cortexId) ?? [], b.cortexes.get(cortexId) ?? []];
  const shorter = Math.min(one.length, other.length);
  const agreed = one.findIndex((id, i) => i < shorter && id !== other[i]);
  return agreed < 0 ? undefined : agreed;
}

/** What a pull brings that nothing else disturbs: all whose causes are the very ones here, but the poison. */
export function taken(
  ours: History,
  theirs: History,
  causes: Causes,
  poison: string | undefined,
): Set<string> {
  const brought = new Set<string>();
  const isHere = (id: string) => ours.ids.has(id) || brought.has(id);
  for (const { id, cortexId, counter } of theirs.clocked) {
    if (isHere(id) || id === poison) continue;
    // Its place is taken here: another history of its cortex.
    if (ours.cortexes.get(cortexId)?.[counter - 1] !== undefined) continue;
    const before = theirs.cortexes.get(cortexId)![counter - 2];
    const others = [...causes.get(id)!].filter(([cause]) => cause !== cortexId).map(([, cause]) => cause);
    if ((before === undefined || isHere(before)) && others.every(isHere)) brought.add(id);
  }
  return brought;
}

/** Events that count others than those which this log has in their places: it took them over a fork. */
export function misled({ clocked, cortexes }: History, causes: Causes): Clocked[] {
  return clocked.filter(({ id, vclock }) =>
    [...causes.get(id)!].some(
      ([cortexId, cause]) => cortexes.get(cortexId)?.[vclock[cortexId]! - 1] !== cause,
    ),
  );
}
