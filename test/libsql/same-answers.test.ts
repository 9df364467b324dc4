import { createClient, type IntMode } from "@libsql/client";
import { openLibsql } from "drizzle-event-log/libsql";
import { migrationsTable } from "drizzle-event-log/migrations";
import { migrationsFolder } from "drizzle-event-log/migrations/folder";
import { asc, count, eq, getTableColumns, inArray, relations, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { alias, blob, integer, numeric, real, sqliteTable, text, unique } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import { cleanUps, newFile } from "./local-file.js";

const users = sqliteTable("users", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull().unique(),
  age: integer("age"),
});
const posts = sqliteTable(
  "posts",
  {
    id: integer("id").primaryKey(),
    userId: integer("user_id").references(() => users.id),
    title: text("title").notNull(),
  },
  (t) => [unique().on(t.userId, t.title)],
);
const values = sqliteTable("all_values", {
  id: integer("id").primaryKey(),
  flag: integer("flag", { mode: "boolean" }),
  at: integer("at", { mode: "timestamp_ms" }),
  seconds: integer("seconds", { mode: "timestamp" }),
  ratio: real("ratio"),
  bytes: blob("bytes", { mode: "buffer" }),
  big: blob("big", { mode: "bigint" }),
  json: text("json", { mode: "json" }),
  blobJson: blob("blob_json", { mode: "json" }),
  amount: numeric("amount"),
});
const schema = {
  ...{ users, posts, values },
  usersRelations: relations(users, ({ many }) => ({ posts: many(posts) })),
  postsRelations: relations(posts, ({ one }) => ({
    user: one(users, { fields: [posts.userId], references: [users.id] }),
  })),
};
const TABLES = `
  create table users (id integer primary key autoincrement, name text not null unique, age integer);
  create table posts (id integer primary key, user_id integer references users (id), title text not null,
    unique (user_id, title));
  create table all_values (id integer primary key, flag integer, at integer, seconds integer, ratio real, bytes blob,
    big blob, json text, blob_json blob, amount numeric);`;

async function both(intMode: IntMode = "number") {
  const ours = await openLibsql({ url: `file:${newFile()}`, intMode }, { schema });
  const theirs = drizzle({ client: createClient({ url: `file:${newFile()}`, intMode }), schema });
  cleanUps.push(
    () => ours.$client.close(),
    () => theirs.$client.close(),
  );
  for (const db of [ours, theirs]) await db.$client.executeMultiple(TABLES);
  return { ours, theirs: theirs as typeof ours };
}
type Db = Awaited<ReturnType<typeof both>>["ours"];

/** What an operation comes to, with all that can be seen of rows and errors. */
async function outcomeOf(run: () => unknown): Promise<unknown> {
  try {
    return { answer: visible(await run()) };
  } catch (error) {
    return { error: visible(error) };
  }
}

function visible(value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof ArrayBuffer) return { arrayBuffer: [...new Uint8Array(value)] };
  if (Buffer.isBuffer(value)) return { buffer: [...value] };
  if (value instanceof Date) return { date: value.getTime() };
  if (value instanceof Error) {
    const { name, message, cause } = value;
    const { code, extendedCode, rawCode, statementIndex } = value as any;
    return { name, message, code, extendedCode, rawCode, statementIndex, cause: visible(cause) };
  }
  if (Array.isArray(value)) return value.map(visible);
  if (typeof value !== "object" || value === null) return value;
  const named = Object.entries(value).map(([key, it]) => [key, visible(it)]);
  const isRow = !("rows" in value) && "length" in value && !Array.isArray(value);
  if (!isRow) return Object.fromEntries(named);
  const indexed = Array.from(value as ArrayLike<unknown>, visible);
  return { named, indexed, isPlain: Object.getPrototypeOf(value) === Object.prototype };
}

const seed = async (db: Db) => {
  await db.insert(users).values([{ name: "Ann", age: 30 }, { name: "Bob" }, { name: "Cid", age: 30 }]);
  await db.insert(posts).values([
    { id: 1, userId: 1, title: "one" },
    { id: 2, userId: 1, title: "two" },
    { id: 3, userId: 2, title: "three" },
  ]);
};

const operations: Record<string, (db: Db) => unknown> = {
  "insert answers with its row id and count": (db) => db.insert(users).values({ name: "Dan" }),
  "insert of many": (db) => db.insert(users).values([{ name: "Dan" }, { name: "Eve" }]),
  "insert returning": (db) => db.insert(users).values({ name: "Dan" }).returning(),
  "insert returning some columns": (db) =>
    db.insert(users).values({ name: "Dan" }).returning({ id: users.id }),
  "insert on conflict do nothing": (db) =>
    db.insert(users).values({ name: "Ann" }).onConflictDoNothing().returning(),
  "insert on conflict do update": (db) =>
    db
      .insert(users)
      .values({ name: "Ann" })
      .onConflictDoUpdate({ target: users.name, set: { age: 31 } })
      .returning(),
  "insert from a select": (db) =>
    db
      .insert(posts)
      .select(
        db.select({ id: sql<number>`id + 10`.as("id"), userId: users.id, title: users.name }).from(users),
      ),
  update: (db) => db.update(users).set({ age: 1 }).where(eq(users.age, 30)),
  "update returning": (db) =>
    db
      .update(users)
      .set({ age: sql`${users.age} + 1` })
      .returning(),
  delete: (db) => db.delete(posts).where(eq(posts.userId, 1)),
  "delete returning": (db) => db.delete(posts).returning(),
  select: (db) => db.select().from(users),
  "select with a where, an order, a limit and an offset": (db) =>
    db
      .select()
      .from(users)
      .where(inArray(users.age, [30, 31]))
      .orderBy(asc(users.name))
      .limit(1)
      .offset(1),
  "select of one": (db) => db.select().from(users).where(eq(users.id, 2)).get(),
  "select of none": (db) => db.select().from(users).where(eq(users.id, 99)).get(),
  "select of values": (db) => db.select().from(users).values(),
  "select of an aggregate": (db) =>
    db.select({ age: users.age, n: count() }).from(users).groupBy(users.age).orderBy(users.age),
  "a join": (db) => db.select().from(users).leftJoin(posts, eq(posts.userId, users.id)),
  "a join of a table with itself": (db) => {
    const other = alias(users, "other");
    return db
      .select({ ...getTableColumns(users), other: other.name })
      .from(users)
      .innerJoin(other, eq(users.age, other.age));
  },
  "a common table expression": (db) => {
    const old = db.$with("old").as(db.select().from(users).where(eq(users.age, 30)));
    return db.with(old).select().from(old);
  },
  "a subquery, a union": (db) =>
    db
      .select({ n: users.name })
      .from(users)
      .union(db.select({ n: posts.title }).from(posts)),
  $count: (db) => db.$count(users, eq(users.age, 30)),
  relations: (db) => db.query.users.findMany({ with: { posts: { with: { user: true } } } }),
  "a relation of one": (db) => db.query.posts.findFirst({ with: { user: { columns: { name: true } } } }),
  "a prepared select, twice": async (db) => {
    const byId = db
      .select()
      .from(users)
      .where(eq(users.id, sql.placeholder("id")))
      .prepare();
    return [await byId.get({ id: 1 }), await byId.all({ id: 3 }), await byId.values({ id: 99 })];
  },
  "a prepared insert, twice": async (db) => {
    const add = db
      .insert(users)
      .values({ name: sql.placeholder("name") })
      .prepare();
    await add.run({ name: "Dan" });
    return add.run({ name: "Eve" });
  },
  "raw all, get, values and run": async (db) => [
    await db.all(sql`select id, name from users`),
    await db.get(sql`select name, 1 as one from users where id = ${2}`),
    await db.values(sql`select id, name from users`),
    await db.run(sql`select 1`),
    await db.run(sql`update users set age = 4 where id < 3`),
  ],
  "a batch of writes and reads": (db) =>
    db.batch([
      db.insert(users).values({ name: "Dan" }).returning(),
      db.update(users).set({ age: 5 }).where(eq(users.name, "Dan")),
      db.query.users.findMany({ with: { posts: true } }),
      db.select().from(users),
    ]),
  "a batch of reads": (db) => db.batch([db.select().from(users), db.select().from(posts)]),
  "a batch that fails writes nothing": async (db) => [
    await outcomeOf(() =>
      db.batch([db.insert(users).values({ name: "Dan" }), db.insert(users).values({ name: "Ann" })]),
    ),
    await db.select().from(users),
  ],
  "a transaction": async (db) => [
    await db.transaction(async (tx) => {
      await tx.insert(users).values({ name: "Dan" });
      return tx.select().from(users);
    }),
    await db.select().from(users),
  ],
  "a transaction that rolls back": async (db) => [
    await outcomeOf(() =>
      db.transaction(async (tx) => {
        await tx.insert(users).values({ name: "Dan" });
        tx.rollback();
      }),
    ),
    await db.select().from(users),
  ],
  "a transaction in a transaction": async (db) => {
    await db.transaction(async (tx) => {
      await tx.insert(users).values({ name: "Dan" });
      await tx.transaction((inner) => inner.insert(users).values({ name: "Eve" }));
      await outcomeOf(() =>
        tx.transaction(async (inner) => {
          await inner.insert(users).values({ name: "Fay" });
          inner.rollback();
        }),
      );
    });
    return db.select().from(users);
  },
  "a failure in a transaction, caught, undoes its statement only": async (db) => {
    await db.transaction(async (tx) => {
      await tx.insert(users).values({ name: "Dan" });
      await outcomeOf(() => tx.insert(users).values([{ name: "Eve" }, { name: "Ann" }]));
    });
    return db.select().from(users);
  },
  "or fail keeps what came before it": async (db) => [
    await outcomeOf(() => db.run(sql`insert or fail into users (name) values ('Dan'), ('Ann'), ('Eve')`)),
    await db.select({ name: users.name }).from(users),
  ],
  "or rollback, or abort, or ignore, or replace": async (db) => [
    await outcomeOf(() => db.run(sql`insert or rollback into users (name) values ('Dan'), ('Ann')`)),
    await outcomeOf(() => db.run(sql`insert or abort into users (name) values ('Dan'), ('Ann')`)),
    await db.run(sql`insert or ignore into users (name) values ('Dan'), ('Ann')`),
    await outcomeOf(() => db.run(sql`replace into users (name) values ('Eve'), ('Ann')`)),
    await db.select({ name: users.name }).from(users),
  ],
  "a violated unique key": (db) => db.insert(users).values({ name: "Ann" }),
  "a violated primary key": (db) => db.insert(posts).values({ id: 1, title: "x" }),
  "a violated NOT NULL": (db) => db.run(sql`insert into users (name) values (null)`),
  "a violated foreign key": (db) => db.insert(posts).values({ id: 9, userId: 99, title: "x" }),
  "a table that is not there": (db) => db.run(sql`select * from nowhere`),
  "a syntax error": (db) => db.run(sql`selec 1`),
  "no statement": (db) => outcomeOf(() => db.$client.execute("  ")),
  "only a comment": (db) => outcomeOf(() => db.$client.execute("-- nothing")),
  "several statements in one": (db) => db.$client.execute("select 1; select 2"),
  "json that is malformed": (db) => db.run(sql`select json_extract('{', '$.a')`),
  "all value types": async (db) => {
    const bytes = Buffer.from([0, 1, 255]);
    const row = { flag: true, at: new Date(1_700_000_000_123), seconds: new Date(1_700_000_000_000) };
    const rest = {
      ratio: 0.1,
      bytes,
      big: 2n ** 80n,
      json: { a: [1, null, "ü"] },
      blobJson: ["b"],
      amount: "1.50",
    };
    await db.insert(values).values([{ ...row, ...rest }, { flag: false }, {}]);
    return [await db.select().from(values), await db.values(sql`select * from all_values`)];
  },
  "DDL, then the new column under a star": async (db) => {
    const before = await db.all(sql`select * from users`);
    await db.run(sql`alter table users add column more text default 'm'`);
    const after = await db.all(sql`select * from users`);
    await db.run(sql`alter table users rename column more to most`);
    return [before, after, await db.all(sql`select * from users`)];
  },
  "migrations, twice": async (db) => {
    await migrate(db, { migrationsFolder: migrationsFolder(), migrationsTable });
    await migrate(db, { migrationsFolder: migrationsFolder(), migrationsTable });
    return db.all(sql`select type, name, tbl_name from sqlite_master order by name`);
  },
};

describe("Drizzle gives the same answers as on @libsql/client", () => {
  test.each(Object.entries(operations))("%s", async (_, run) => {
    const { ours, theirs } = await both();
    for (const db of [ours, theirs]) await seed(db);
    const [mine, wanted] = [await outcomeOf(() => run(ours)), await outcomeOf(() => run(theirs))];
    expect(mine).toEqual(wanted);
    // And what is stored.
    const [stored, expected] = await Promise.all(
      [ours, theirs].map((db) => db.query.users.findMany({ with: { posts: true } }).catch(String)),
    );
    expect(stored).toEqual(expected);
  });
});

const statements: [string, any?][] = [
  ["select 1, 2, 1"],
  ["select 1 as a, 2 as a, 3 as length, 4 as __proto__, 5 as constructor"],
  ["select 10 as '1', 20 as '0'"],
  ["values (1, 'a'), (null, x'00ff')"],
  ["select ?, ?", ["one", 2]],
  ["select ?, ?", ["one"]],
  ["select ?", ["one", "two"]],
  ["select :a, @b, $c", { a: 1, "@b": 2, $c: 3 }],
  ["select :a, :b", { a: 1 }],
  ["select ?", [true]],
  ["select ?", [9007199254740991n]],
  ["select ?", [9007199254740992n]],
  ["select ?", [new Date(5)]],
  ["select ?", [new Uint8Array([1, 2])]],
  ["select ?", [new Uint8Array([9, 1, 2, 9]).buffer]],
  ["select ?", [undefined]],
  ["select ?", [Number.NaN]],
  ["select ?", [2n ** 64n]],
  ["select ?", [{}]],
  ["select typeof(?), typeof(?)", [1, 1n]],
  ["select 'a' || char(0) || 'b'"],
  ["select '\ud83d\ude00', ?", ["\ud83d\ude00"]],
  ["explain query plan select * from users"],
  ["pragma table_info(users)"],
  ["select count(*) from users"],
];

describe.each(["number", "bigint", "string"] as const)("the client with intMode %s", (intMode) => {
  test.each(statements)("%s %o", async (text, args) => {
    const { ours, theirs } = await both(intMode);
    for (const statement of [{ sql: text, args: args ?? [] }]) {
      for (const how of ["execute", "execute again", "transaction", "batch"]) {
        const run = async (db: Db) => {
          const client = db.$client;
          if (how === "batch") return client.batch([statement], "read");
          if (how !== "transaction") return client.execute(statement);
          const tx = await client.transaction("write");
          try {
            return await tx.execute(statement);
          } finally {
            tx.close();
          }
        };
        expect(await outcomeOf(() => run(ours))).toEqual(await outcomeOf(() => run(theirs)));
      }
    }
  });
});
