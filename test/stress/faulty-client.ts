import { type Client, LibsqlError, type Transaction } from "@libsql/client";

/** The ways in which a call fails. */
export const FAULTS = ["before", "after", "busy", "closed", "wrong"] as const;
export type Fault = (typeof FAULTS)[number];

export interface Plan {
  fault: Fault;
  /** Which call fails, from 1; 0 for none. */
  at: number;
  /** How many calls there have been. */
  calls: number;
}

/** The client, but for its one call, or its transactions', that fails as planned. */
export function faultyClient(client: Client, plan: Plan): Client {
  const reopen = async () => {
    client.close();
    await client.reconnect();
  };
  const call = (name: "execute" | "batch") => [
    name,
    (...args: unknown[]) => failing(plan, () => (client[name] as any)(...args), reopen),
  ];
  return overriding(client, {
    ...Object.fromEntries((["execute", "batch"] as const).map(call)),
    async transaction(mode: "write") {
      let begun: Transaction | undefined;
      const begin = async () => {
        begun = await client.transaction(mode);
        return begun;
      };
      try {
        return faultyTransaction(await failing(plan, begin, reopen), plan);
      } catch (error) {
        begun?.close(); // Nobody will end it: its connection is gone, and the database rolls it back.
        throw error;
      }
    },
  });
}

function faultyTransaction(tx: Transaction, plan: Plan): Transaction {
  const call = (name: "execute" | "batch" | "commit") => [
    name,
    (...args: unknown[]) =>
      failing(
        plan,
        () => (tx[name] as any)(...args),
        () => tx.close(),
      ),
  ];
  return overriding(tx, {
    ...Object.fromEntries((["execute", "batch", "commit"] as const).map(call)),
    async rollback() {
      try {
        await failing(
          plan,
          () => tx.rollback(),
          () => tx.close(),
        );
      } finally {
        tx.close(); // As above.
      }
    },
  });
}

async function failing<T>(plan: Plan, call: () => Promise<T>, close: () => unknown): Promise<T> {
  if (++plan.calls !== plan.at) return call();
  switch (plan.fault) {
    case "before":
      throw new LibsqlError("injected: not done", "SQLITE_IOERR");
    case "after":
      await call();
      throw new LibsqlError("injected: done, the answer was lost", "HRANA_WEBSOCKET_ERROR");
    case "busy":
      throw new LibsqlError("injected: database is locked", "SQLITE_BUSY");
    case "closed":
      await close();
      throw new LibsqlError("injected: the connection was closed", "TRANSACTION_CLOSED");
    case "wrong":
      await call();
      throw "injected: garbled"; // not even an Error
  }
}

// The real object stays the receiver: its private fields do not exist on a proxy.
function overriding<T extends object>(target: T, methods: object): T {
  return new Proxy(target, {
    get(_, key) {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key);
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
