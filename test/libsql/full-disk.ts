// A process whose files cannot grow: how writes end that share a commit which fails. Run by write-together.test.ts.
import { openLibsql, writeTogether } from "drizzle-event-log/libsql";
import { sql } from "drizzle-orm";

performance.now = () => 0; // One transaction takes all of them, however slow the machine.
const db = await openLibsql(process.argv[2]!);
const runs = [0, 0, 0, 0];
const outcomes = await Promise.allSettled(
  runs.map((_, i) =>
    writeTogether(db, async (tx) => {
      runs[i]!++;
      // Only the last one is too large, and only when the transaction is committed does it go to the disk.
      await tx.run(sql`insert into notes (body) values (${"x".repeat(i === 3 ? 500_000 : 1)})`);
    }),
  ),
);
const codes = outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : "stored"));
console.log(JSON.stringify({ runs, codes }));
