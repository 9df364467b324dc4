import { type Client, type Config, createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { checkedOptions, InputError, shapeOf } from "../input-error.js";
import { checkMilliseconds } from "../wait.js";
import { tellCommits } from "../wake.js";
import type { AnySchema, LibsqlConfig, LibsqlDatabase, NoSchema } from "./database.js";
import { DatabaseFile } from "./database-file.js";
import { LocalClient } from "./local-client.js";
import { DEADLINE } from "./patience.js";

/** Of a client, and of a local file besides. */
export interface OpenOptions extends Config {
  /** How long a write waits for its turn and for other processes, in milliseconds. Default 10,000. */
  deadline?: number;
  /**
   * How long a transaction that writes may go without a statement until it is rolled back, in milliseconds, or
   * `false` for as long as it likes. Default 30,000.
   */
  idleLimit?: number | false;
  /** The size to which the write-ahead log is truncated when it has grown beyond, in bytes. Default 16 MiB. */
  walLimit?: number;
}

const IDLE_LIMIT = 30_000;
const WAL_LIMIT = 16 * 2 ** 20;

/**
 * Opens a libsql database. On a file the package's own client keeps what was acknowledged, whoever else writes: WAL
 * with synchronous FULL, one queue for all writes of the process, and no wait that blocks the event loop. Any other
 * URL (`:memory:`, `http(s):`, `ws(s):`, an embedded replica's `{ url, syncUrl }`) is opened by @libsql/client.
 *
 * @throws InputError `INVALID_URL`, `INVALID_DEADLINE`, `INVALID_OPTIONS`.
 * @throws LibsqlError the URL is none that `createClient` takes.
 * @throws DeadlineError another process kept the file locked.
 */
export async function openLibsql<S extends AnySchema = NoSchema>(
  url: string | OpenOptions,
  config: LibsqlConfig<S> = {},
): Promise<LibsqlDatabase<S>> {
  const options = checkedURL(url);
  const { deadline = DEADLINE, idleLimit = IDLE_LIMIT, walLimit = WAL_LIMIT, intMode = "number" } = options;
  checkMilliseconds(deadline, "INVALID_DEADLINE", "deadline");
  if (idleLimit !== false) checkMilliseconds(idleLimit, "INVALID_DEADLINE", "idleLimit");
  if (!Number.isSafeInteger(walLimit) || walLimit < 0) {
    throw new InputError(
      "INVALID_OPTIONS",
      "walLimit",
      `must be a number of bytes, got ${shapeOf(walLimit)}`,
    );
  }
  const client = createClient(options);
  const path = client.protocol === "file" && !options.syncUrl ? await pathOf(client) : "";
  if (path === "") return drizzle({ client, ...config } as any) as LibsqlDatabase<S>;

  // It has done its part: checked the options, and found the file.
  client.close();
  let file!: DatabaseFile;
  const open = () => {
    file = DatabaseFile.open(path, options.encryptionKey, walLimit);
    return file;
  };
  const local = await LocalClient.open(open, { intMode, deadline, idleLimit });
  tellCommits(local, () => file);
  return drizzle({ client: local, ...config } as any) as LibsqlDatabase<S>;
}

function checkedURL(given: string | OpenOptions): OpenOptions {
  const isRecord = typeof given === "object" && given !== null;
  const options = isRecord ? checkedOptions(given) : { url: given };
  // As from a variable of the environment that is not set.
  if (typeof options.url !== "string") {
    const problem = `must be text such as "file:app.db", got ${shapeOf(options.url)}`;
    throw new InputError("INVALID_URL", "url", problem);
  }
  // SQLite takes no name for a file that goes when it is closed; a NUL ends the process in the native client.
  if (/^file:(\/\/(localhost)?)?(\?|$)|\0|%00/i.test(options.url)) {
    throw new InputError("INVALID_URL", "url", "names no file");
  }
  return options;
}

async function pathOf(client: Client): Promise<string> {
  const { rows } = await client.execute("PRAGMA database_list");
  return String(rows[0]?.file ?? "");
}
