// A process that performs operations until it is killed: it says each before it begins, and when it is done.
import { openCortex } from "drizzle-event-log";
import { openLibsql } from "drizzle-event-log/libsql";
import { argument, say } from "./child.js";
import { newOperation, type Operation, type OperationForm, perform } from "./operation.js";

export interface CrashArguments {
  url: string;
  cortexId: string;
  traceId: string;
  lanes: number;
  form: OperationForm;
}

export type CrashLine = { begun: Operation } | { acknowledged: Operation };

const { url, cortexId, traceId, lanes, form } = argument<CrashArguments>();
const db = await openLibsql(url);
const cortex = openCortex({ id: cortexId, origin: "writer" });
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (;;) {
      const operation = newOperation(traceId);
      say({ begun: operation });
      await perform(db, cortex, operation, form);
      say({ acknowledged: operation });
    }
  }),
);
