// A process that writes and reads in all ways, and says now and then what it holds on to.
import { statSync } from "node:fs";
import { createClient } from "@libsql/client";
import { sql } from "drizzle-orm";
import { argument, say } from "./child.js";
import { createMarks, FORMS, type Form, mark, marks, REFUSED_FORMS } from "./marks.js";
import { collected, descriptorsOf, held } from "./memory.js";

export interface FlatArguments {
  file: string;
  writes: number;
  /** The control: with each sample it forgets to close a few clients. */
  leaks: boolean;
}

export interface Sample {
  /** In bytes. */
  heap: number;
  rss: number;
  descriptors: number;
  /** The size of the write-ahead log, in bytes. */
  log: number;
}

export interface FlatReport {
  samples: Sample[];
  stored: number;
  errors: string[];
}

const SAMPLES = 20;
const LANES = 8;
const LEAK = 5;
const forms: readonly Form[] = [...FORMS, ...REFUSED_FORMS];

const { file, writes, leaks } = argument<FlatArguments>();
const url = `file:${file}`;
const db = await createMarks(url);
// It is not about what the disk keeps.
await db.run(sql`pragma synchronous = off`);
await db.run(sql`create table notes (n integer primary key, body text not null)`);
const report: FlatReport = { samples: [], stored: 0, errors: [] };
const leaked: unknown[] = [];
let n = 0;
for (let i = 1; i <= SAMPLES; i++) {
  const end = (writes / SAMPLES) * i;
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      while (n < end) await use(n++);
    }),
  );
  for (let j = 0; leaks && j < LEAK; j++) {
    const client = createClient({ url });
    await client.execute("select count(*) from notes");
    leaked.push(client);
  }
  await collected();
  report.samples.push({
    ...held(),
    descriptors: descriptorsOf(file).length,
    log: statSync(`${file}-wal`).size,
  });
}
say(report);
db.$client.close();

async function use(n: number): Promise<void> {
  const form = forms[n % forms.length]!;
  try {
    await mark(db, n, form);
    report.stored++;
  } catch (error) {
    if (!REFUSED_FORMS.some((refused) => refused === form) && report.errors.length < 10) {
      report.errors.push(`${form}: ${error}`);
    }
  }
  if (n % 10 === 0) await db.select().from(marks).limit(5);
  // More texts than are kept, large arguments, and statements that fail.
  if (n % 20 === 0) await db.values(sql.raw(`select ${n} + 1`));
  if (n % 50 === 0) {
    await db.run(sql`insert or replace into notes values (${n % 100}, ${"x".repeat(100_000)})`);
    await db.run(sql.raw(`select * from missing_${n}`)).catch(() => {});
    const snapshot = await db.$client.transaction("read");
    await snapshot.execute("select count(*) from notes");
    snapshot.close();
  }
}
