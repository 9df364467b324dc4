// What happens to a file under an app.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import type { ChildOptions } from "./harness.js";
import { openAs } from "./marks.js";

export interface DiskFault {
  name: string;
  /** The codes of its errors. */
  codes: readonly string[];
  /** How many writes are tried before it, meanwhile, and after. */
  writes: number;
  /** There is still room for some. */
  mayStore?: boolean;
  /** It is so already when the file is opened. */
  atOpen?: boolean;
  /** What was written before is gone, too. */
  isGone?: boolean;
  options?: ChildOptions;
  /** Of the directory, before the file is in it. */
  prepare?(directory: string): unknown;
  break?(file: string): unknown;
  /** Left out where it stays broken. */
  mend?(file: string): unknown;
  /** In the end. */
  cleanUp?(directory: string): unknown;
}

const WRITES = 40;

/** Those that this machine can have: some need root, or a compiler. */
export function diskFaults(directory: string): DiskFault[] {
  return [...fullDisk(directory), ...failingDisk(directory), ...others];
}

export const replaced: DiskFault = {
  ...{ name: "replaced", writes: WRITES, codes: ["FILE_REPLACED"] },
  async break(file) {
    const copy = `${file}.copy`;
    const db = await openAs("plain", `file:${file}`);
    await db.run(sql`vacuum into ${copy}`);
    db.$client.close();
    renameSync(copy, file);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
  },
};

const others: readonly DiskFault[] = [
  {
    // In blocks of 512 bytes: less than the write-ahead log becomes.
    ...{ name: "file size limit", writes: 75, codes: ["SQLITE_FULL", "SQLITE_IOERR"], mayStore: true },
    options: { before: "ulimit -f 3000" },
  },
  {
    ...{
      name: "read-only file",
      writes: WRITES,
      codes: ["SQLITE_READONLY", "SQLITE_CANTOPEN"],
      atOpen: true,
    },
    break: (file) => setModes(file, 0o444, 0o555),
    cleanUp: (directory) => chmodSync(directory, 0o755),
  },
  {
    ...{ name: "deleted", writes: WRITES, codes: ["FILE_REPLACED"], isGone: true },
    break: (file) => {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    },
  },
  replaced,
];

function setModes(file: string, forFiles: number, forDirectory: number): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(`${file}${suffix}`)) chmodSync(`${file}${suffix}`, forFiles);
  }
  chmodSync(dirname(file), forDirectory);
}

function fullDisk(directory: string): DiskFault[] {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", directory], { stdio: "ignore" });
    execFileSync("umount", [directory], { stdio: "ignore" });
  } catch {
    console.error("disk: no file system to fill here (needs root)");
    return [];
  }
  const filler = (file: string) => join(dirname(file), "filler");
  return [
    {
      ...{ name: "ENOSPC", writes: WRITES, codes: ["SQLITE_FULL", "SQLITE_IOERR"], mayStore: true },
      prepare: (directory) => execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", directory]),
      break(file) {
        for (const size of [2 ** 20, 4096, 1]) {
          try {
            for (;;) writeFileSync(filler(file), Buffer.alloc(size), { flag: "a" });
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          }
        }
      },
      mend: (file) => rmSync(filler(file)),
      cleanUp: (directory) => execFileSync("umount", ["-l", directory]),
    },
  ];
}

function failingDisk(directory: string): DiskFault[] {
  const library = join(directory, "failing-disk.so");
  const source = fileURLToPath(new URL("./failing-disk.c", import.meta.url));
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], { stdio: "inherit" });
  } catch {
    console.error("disk: no compiler here to make a disk fail");
    return [];
  }
  const flag = join(directory, "fails");
  const fault = (what: string): DiskFault => ({
    ...{ name: `EIO (${what})`, writes: WRITES, codes: ["SQLITE_IOERR"] },
    options: { env: { LD_PRELOAD: library, FAILING_DISK: flag } },
    break: () => writeFileSync(`${flag}.${what}`, ""),
    mend: () => rmSync(`${flag}.${what}`),
  });
  return [fault("write"), fault("sync")];
}
