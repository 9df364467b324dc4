// A process that takes the same requests as others do at the same time. Run by idempotency.test.ts.
import { openCortex } from "drizzle-event-log";
import { openLibsql, writeTransaction } from "drizzle-event-log/libsql";

const [url, cortexId, requests] = process.argv.slice(2) as [string, string, string];
const db = await openLibsql(url);
const cortex = openCortex({ id: cortexId, origin: "retry", lifecycle: true });
const answers: unknown[] = [];
for (let i = 0; i < Number(requests); i++) {
  const request = {
    ...{ action: "create" as const, traceId: `trace-${i}`, data: { i }, expect: "none" as const },
    ...{ idempotencyKey: `request-${i}`, meta: { process: process.pid } },
  };
  answers.push(await writeTransaction(db, (tx) => cortex.append(tx, request), { deadline: 60_000 }));
}
console.log(JSON.stringify(answers));
