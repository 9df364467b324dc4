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

const READ = `select seq, id, cortex_id as cortexId, counter, vclock, json_array(action, trace_id, actor, data, meta) as content,
  json_array(id, action, trace_id, cortex_id, origin, actor, timestamp, data, meta, vclock, idempotency_key, proof) as text
  from events where seq > ? order by seq`;

type Row = Omit<Clocked, "vclock"> & { seq: number; vclock: string | null };

/** What has been read of a log. */
interface Reading {
  newer: SQLite.Statement<[after: number], Row>;
  rows: Row[];
  clocked: Clocked[];
  history: History;
}

const readings = new WeakMap<SQLite.Database, Reading>();

/** All that the log has ever held. It only grows, so each event is read once; `altered` tells of a log that did otherwise. */
export function readHistory(client: SQLite.Database): History {
  const reading = readings.get(client) ?? newReading(client);
  const { newer, rows, clocked } = reading;
  const fresh = newer.all(rows.at(-1)?.seq ?? 0);
  if (fresh.length === 0) return reading.history;
  rows.push(...fresh);
  for (const row of fresh) if (row.vclock !== null) clocked.push({ ...row, vclock: JSON.parse(row.vclock) });
  reading.history = historyOf(rows, [...clocked]);
  return reading.history;
}

function newReading(client: SQLite.Database): Reading {
  const newer = client.prepare<[number], Row>(READ);
  const reading: Reading = { newer, rows: [], clocked: [], history: historyOf([], []) };
  readings.set(client, reading);
  return reading;
}

function historyOf(rows: readonly Row[], clocked: Clocked[]): History {
  const cortexes = new Map<string, string[]>();
  for (const { id, cortexId, counter } of clocked) {
    const ids = cortexes.get(cortexId) ?? [];
    if (ids.length === 0) cortexes.set(cortexId, ids);
    ids[counter - 1] = id;
  }
  const local = rows.filter(({ vclock }) => vclock === null).map(({ id }) => id);
  return { clocked, local, cortexes, ids: new Set(rows.map(({ id }) => id)) };
}

/** How many events of the log, read whole again, are not what was read of them. */
export function altered(client: SQLite.Database): number {
  readHistory(client);
  const { newer, rows } = readings.get(client)!;
  const now = newer.all(0);
  const other = rows.filter(({ seq, text }, i) => seq !== now[i]?.seq || text !== now[i]?.text);
  return Math.max(other.length, now.length - rows.length);
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
