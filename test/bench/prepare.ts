// The logs that every stack starts from: grown once, one size from the other, then copied.
import { constants, copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { baseEvent } from "./content.js";
import { BARE_TABLE } from "./stacks/by-hand.js";
import { loadEmmett } from "./stacks/emmett.js";
import { valuesOf } from "./stacks/sql.js";
import type { Schema } from "./stacks/stack.js";

const CHUNK = 5000;

/** By schema and size, the file of a log. */
export type Bases = Partial<Record<Schema, ReadonlyMap<number, string>>>;

/** Logs of the given sizes, for the version of this package that is in `folder`. */
export function prepare(directory: string, sizes: readonly number[], folder: string) {
  mkdirSync(directory);
  const events = prepareEvents(directory, sizes, join(folder, "drizzle"));
  return { events, bare: prepareBare(directory, events) };
}

/** In our schema with its indexes, checks and triggers. */
function prepareEvents(directory: string, sizes: readonly number[], migrations: string): Map<number, string> {
  const growing = join(directory, "growing.db");
  const db = new Database(growing);
  quick(db);
  for (const name of readdirSync(migrations).sort()) {
    if (name.endsWith(".sql")) db.exec(readFileSync(join(migrations, name), "utf8"));
  }
  const insert = db.prepare(`insert into events
    (id, action, trace_id, cortex_id, origin, timestamp, data, vclock, counter, proof)
    select ${Array.from({ length: 10 }, (_, i) => `value->>${i}`).join(", ")} from json_each(?)`);
  const files = new Map<number, string>();
  let n = 0;
  for (const size of sizes) {
    db.exec("begin");
    while (n < size) {
      const events = Array.from({ length: Math.min(CHUNK, size - n) }, () => valuesOf(baseEvent(n++)));
      insert.run(JSON.stringify(events));
    }
    db.exec("commit");
    files.set(size, join(directory, `base-${size}.db`));
    copy(growing, files.get(size)!);
  }
  db.close();
  for (const file of files.values()) toWal(file);
  return files;
}

/** The same events in the table of those who make it by hand. */
function prepareBare(directory: string, bases: ReadonlyMap<number, string>): Map<number, string> {
  const files = new Map<number, string>();
  for (const [size, base] of bases) {
    const file = join(directory, `bare-${size}.db`);
    files.set(size, file);
    const db = new Database(file);
    quick(db);
    db.exec(`${BARE_TABLE}; attach '${base}' as base;
      insert into events select id, action, trace_id, origin, timestamp, data, vclock, cortex_id
        from base.events order by seq`);
    db.close();
    toWal(file);
  }
  return files;
}

/** The same in Emmett's schema; undefined where Emmett is not installed. */
export async function prepareEmmett(
  directory: string,
  bases: ReadonlyMap<number, string>,
): Promise<Map<number, string> | undefined> {
  const library = await loadEmmett();
  if (!library) return undefined;
  const empty = join(directory, "emmett.db");
  const connection = library.sqliteConnection({ fileName: empty });
  await library.createEventStoreSchema(connection);
  await library.appendToStream(connection, "example", "note", [{ type: "create", data: {} }]);
  // It closes in its own time: the file alone must hold everything.
  await connection.command("pragma journal_mode = delete");
  connection.close();

  const files = new Map<number, string>();
  for (const [size, base] of bases) {
    const file = join(directory, `emmett-${size}.db`);
    files.set(size, file);
    copy(empty, file);
    const db = new Database(file);
    quick(db);
    db.exec(`attach '${base}' as base`);
    // As Emmett fills the other columns of the example.
    db.exec(`
      create temp table example as select s.partition as stream_partition, m.partition, message_schema_version,
        s.is_archived from emt_streams as s, emt_messages as m;
      delete from emt_streams;
      delete from emt_messages;
      insert into emt_streams (stream_id, stream_position, partition, stream_type, stream_metadata, is_archived)
        select trace_id, count(*), stream_partition, 'note', '[]', is_archived from base.events, example group by trace_id;
      insert into emt_messages (stream_id, stream_position, partition, message_kind, message_data,
        message_metadata, message_schema_version, message_type, message_id, is_archived)
        select trace_id, place, partition, 'E',
          json_object('id', id, 'action', action, 'traceId', trace_id, 'cortexId', cortex_id, 'origin', origin,
            'timestamp', timestamp, 'data', json(data), 'vclock', json(vclock)),
          json_object('streamName', trace_id, 'messageId', uuid, 'streamPosition', cast(place as text)),
          message_schema_version, action, uuid, is_archived
        from (select *, row_number() over (partition by trace_id order by seq) as place,
          lower(hex(randomblob(18))) as uuid from base.events), example order by seq;`);
    db.close();
    toWal(file);
  }
  return files;
}

export function copy(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
}

function quick(db: Database.Database): void {
  db.exec("pragma synchronous = off; pragma journal_mode = delete; pragma cache_size = -400000");
}

function toWal(file: string): void {
  const db = new Database(file);
  db.exec("pragma journal_mode = wal");
  db.close();
}
