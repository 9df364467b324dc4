import { readdirSync, readFileSync } from "node:fs";
import { arch, cpus, release, totalmem, type } from "node:os";
import Database from "libsql";

export interface Machine {
  cpu: string;
  cores: number;
  memory: string;
  system: string;
  filesystem: string;
  versions: Record<string, string>;
}

export function describeMachine(directory: string): Machine {
  const db = new Database(":memory:");
  const { version } = db.prepare("select sqlite_version() as version").get() as { version: string };
  const packages = [
    "libsql",
    "@libsql/client",
    "drizzle-orm",
    "better-sqlite3",
    "@event-driven-io/emmett-sqlite",
  ];
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()} ${arch()}`,
    filesystem: filesystemOf(directory),
    versions: {
      node: process.versions.node,
      "SQLite in libsql": version,
      ...Object.fromEntries(
        packages.flatMap((name) => versionOf(name) ?? []).map(({ name, version }) => [name, version]),
      ),
    },
  };
}

function versionOf(name: string): { name: string; version: string } | undefined {
  try {
    const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
    return { name, version: (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version };
  } catch {
    return undefined;
  }
}

function filesystemOf(directory: string): string {
  try {
    const mounts = readFileSync("/proc/mounts", "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    const around = mounts.filter(
      ([, at]) => at === "/" || directory === at || directory.startsWith(`${at}/`),
    );
    const [device, at, kind] = around.sort((a, b) => b[1]!.length - a[1]!.length)[0]!;
    return `${kind} (${device} at ${at})${rotates(device!) ?? ""}`;
  } catch {
    return "unknown file system";
  }
}

function rotates(device: string): string | undefined {
  const name = device.split("/").at(-1)!;
  const disk = readdirSync("/sys/block").find((block) => name.startsWith(block));
  if (!disk) return undefined;
  const rotational = readFileSync(`/sys/block/${disk}/queue/rotational`, "utf8").trim();
  const cache = readFileSync(`/sys/block/${disk}/queue/write_cache`, "utf8").trim();
  return `, ${rotational === "0" ? "not " : ""}rotational, ${cache} cache`;
}
