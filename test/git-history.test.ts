import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { pages, type StoredEvent } from "drizzle-event-log";
import { afterAll, expect, test } from "vitest";
import { openDatabase } from "../examples/git-history/database.js";
import { type FileEvents, files, log, progress } from "../examples/git-history/schema.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const main = join(root, "examples/git-history/main.ts");
// Not the tsx command: it starts node as a child, which a kill -9 of the command would leave running.
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const temp = mkdtempSync(join(tmpdir(), "git-history-"));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
const env = { ...Object.fromEntries(clean), GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

let directories = 0;
function newDirectory(): string {
  const directory = join(temp, String(++directories));
  mkdirSync(directory);
  return directory;
}

function git(cwd: string, args: string[], input?: string | Buffer): string {
  const who = ["-c", "user.name=Ann Author", "-c", "user.email=ann@example.com"];
  const safe = ["-c", "protocol.file.allow=always", "-c", "core.symlinks=true"];
  return execFileSync("git", [...who, ...safe, ...args], {
    cwd,
    env,
    input,
    encoding: "utf8",
    stdio: "pipe",
  });
}

function newRepo(...options: string[]): string {
  const repo = newDirectory();
  git(repo, ["init", "-q", "-b", "main", ...options]);
  return repo;
}

function commitAll(repo: string, message: string): void {
  git(repo, ["add", "-A"]);
  git(repo, ["commit", "-q", "--allow-empty", "-m", message]);
}

/** Commits made from a stream: `changes` are fast-import's own lines, one array per commit. */
function importCommits(repo: string, commits: { author?: string; changes: string[] }[]): void {
  const stream = commits.map(({ author = "Ann <ann@example.com> 1600000000 +0200", changes }) =>
    [
      `commit refs/heads/main`,
      `author ${author}`,
      "committer C <c@c> 1600000000 +0000",
      "data 0",
      ...changes,
      "",
    ].join("\n"),
  );
  const input = Buffer.from(`${stream.join("\n")}\ndone\n`, "latin1");
  git(repo, ["fast-import", "--quiet", "--done", "--date-format=raw-permissive"], input);
}

const inline = (path: string, text: string, mode = "100644") =>
  `M ${mode} inline ${path}\ndata ${text.length}\n${text}`;

interface Run {
  code: number | null;
  signal: string | null;
  out: string;
  error: string;
}

/** Runs the example as a user would, and kills it with -9 once its output holds `killAt`. */
function run(cwd: string, repo: string, { killAt = "", more = {} } = {}): Promise<Run> {
  const child = spawn(process.execPath, ["--import", tsx, main, repo], {
    cwd,
    env: { ...env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json"), ...more },
  });
  let out = "";
  let error = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
    if (killAt && out.includes(killAt)) child.kill("SIGKILL");
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    error += text;
  });
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, out, error })));
}

async function replayed(cwd: string, repo: string, { more = {}, warning = "" } = {}): Promise<State> {
  const { code, out, error } = await run(cwd, repo, { more });
  expect({ code, error }).toEqual({ code: 0, error: warning });
  expect(out).toContain("OK: the log folds to the tree of");
  const now = await state(cwd);
  expect(now.commit).toBe(git(repo, ["rev-parse", "HEAD"]).trim());
  expectSame(now, repo, "HEAD");
  return now;
}

interface State {
  commit: string | undefined;
  events: StoredEvent<FileEvents>[];
  files: (typeof files.$inferSelect)[];
}

function openOnlyDatabase(cwd: string) {
  const [file = "none.db", ...others] = readdirSync(join(cwd, ".data")).filter((name) =>
    name.endsWith(".db"),
  );
  expect(others).toEqual([]);
  return openDatabase(join(cwd, ".data", file));
}

/** What lies in the one database under a working directory. */
async function state(cwd: string): Promise<State> {
  const db = await openOnlyDatabase(cwd);
  const events: StoredEvent<FileEvents>[] = [];
  for await (const page of pages(db, { table: log })) events.push(...page);
  const [last] = await db.select().from(progress);
  const rows = await db.select().from(files);
  db.$client.close();
  return { commit: last?.commit ?? undefined, events, files: rows };
}

/** Folds the log, step by step through each file's life, and holds it against git and the app's own table. */
function expectSame(now: State, repo: string, commit: string): void {
  const live = new Map<string, string>();
  const paths = new Map<string, string>();
  for (const { action, traceId, data } of now.events) {
    const life = live.has(traceId) ? "live" : paths.has(traceId) ? "trashed" : "new";
    const before = { create: "new", update: "live", trash: "live", recover: "trashed" };
    expect({ action, life }).toEqual({ action, life: before[action] });
    expect(paths.get(traceId) ?? data.path).toBe(data.path);
    paths.set(traceId, data.path);
    if (action === "trash") live.delete(traceId);
    else
      live.set(
        traceId,
        `${data.mode} ${data.mode === "160000" ? "commit" : "blob"} ${data.blob}\t${data.path}`,
      );
  }
  const tree = git(repo, ["ls-tree", "-r", "-z", "--full-tree", commit]).split("\0").slice(0, -1);
  if (!tree.join().includes("\ufffd")) expect([...live.values()].sort()).toEqual(tree.sort());
  expect(live.size).toBe(tree.length);
  expect(new Map(now.files.map(({ id, path }) => [id, path]))).toEqual(paths);
  expect(
    now.files
      .filter(({ trashed }) => !trashed)
      .map(({ id }) => id)
      .sort(),
  ).toEqual([...live.keys()].sort());
  for (const { id, mode, blob, path, trashed } of now.files) {
    if (!trashed)
      expect(live.get(id)).toMatch(`${mode} ${mode === "160000" ? "commit" : "blob"} ${blob}\t${path}`);
  }
}

const told = ({ events }: State) => events.map(({ action, data }) => `${action} ${data.path}`);

test("every kind of change becomes an event, and the log folds to the tree", async () => {
  const repo = newRepo();
  const cwd = newDirectory();
  const write = (path: string, text: string) => writeFileSync(join(repo, path), text);
  write("a.txt", "a");
  write("kept", "kept");
  commitAll(repo, "create");
  write("a.txt", "b");
  commitAll(repo, "update");
  commitAll(repo, "empty");
  git(repo, ["update-index", "--chmod=+x", "a.txt"]);
  git(repo, ["commit", "-q", "-m", "mode"]);
  git(repo, ["rm", "-q", "-f", "a.txt"]);
  git(repo, ["commit", "-q", "-m", "delete"]);
  symlinkSync("kept", join(repo, "a.txt"));
  commitAll(repo, "restore as a link");
  git(repo, ["update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},module`]);
  git(repo, ["commit", "-q", "-m", "submodule"]);
  git(repo, ["update-index", "--cacheinfo", `160000,${"2".repeat(40)},module`]);
  git(repo, ["rm", "-q", "--cached", "a.txt"]);
  git(repo, ["commit", "-q", "-m", "update of the submodule"]);
  rmSync(join(repo, "a.txt"));
  mkdirSync(join(repo, "a.txt"));
  write("a.txt/inside", "a folder where the file was");
  git(repo, ["add", "a.txt"]);
  git(repo, ["commit", "-q", "-m", "folder"]);

  const now = await replayed(cwd, repo);
  expect(told(now)).toEqual([
    ...["create a.txt", "create kept", "update a.txt", "update a.txt", "trash a.txt", "recover a.txt"],
    ...["create module", "trash a.txt", "update module", "create a.txt/inside"],
  ]);
  const ofA = now.events.filter(({ data }) => data.path === "a.txt");
  expect(new Set(ofA.map(({ traceId }) => traceId)).size).toBe(1);
  expect(ofA.map(({ action, data }) => action !== "trash" && "mode" in data && data.mode)).toEqual([
    ...["100644", "100644", "100755", false, "120000", false],
  ]);
});

test("a merge is one step that brings in all of its branch", async () => {
  const repo = newRepo();
  importCommits(repo, [{ changes: [inline("base", "1")] }]);
  git(repo, ["reset", "-q", "--hard"]);
  git(repo, ["switch", "-q", "-c", "side"]);
  for (const path of ["one", "two"]) {
    writeFileSync(join(repo, path), path);
    commitAll(repo, path);
  }
  git(repo, ["switch", "-q", "main"]);
  writeFileSync(join(repo, "base"), "2");
  commitAll(repo, "on main");
  git(repo, ["merge", "-q", "-m", "merge", "side"]);

  const now = await replayed(newDirectory(), repo);
  expect(told(now)).toEqual(["create base", "update base", "create one", "create two"]);
  const head = git(repo, ["rev-parse", "HEAD"]).trim();
  expect(now.events.slice(2).map(({ meta }) => meta?.commit)).toEqual([head, head]);
});

test("any name that git can hold is kept, and no two become one", async () => {
  const repo = newRepo("--bare");
  const names: [quoted: string, text: string][] = [
    ['"with space"', "with space"],
    ['"line\\nbreak"', "line\nbreak"],
    ['"\\ttab, \\"quotes\\" and \\\\"', '\ttab, "quotes" and \\'],
    ['"\\"quoted\\""', '""quoted""'],
    ['":100644 100644 a b M"', ":100644 100644 a b M"],
    ['"-rf"', "-rf"],
    ['"\\303\\274ber/\\360\\237\\230\\200"', "über/😀"],
    ['"u\\314\\210ber"', "u\u0308ber"],
    ['"\\357\\273\\277bom"', "\ufeffbom"],
    ['"caf\\351"', '"caf\\xe9"'],
    ['"caf\\\\xe9"', "caf\\xe9"],
    ['"\\"caf\\351\\""', '""caf\\xe9""'],
    ['"\\355\\240\\200"', '"\\xed\\xa0\\x80"'],
    ['"\\033[31mred"', "\u001b[31mred"],
  ];
  importCommits(repo, [
    { changes: names.map(([quoted]) => inline(quoted, "1")) },
    { changes: names.map(([quoted]) => inline(quoted, "2")) },
    { changes: names.map(([quoted]) => `D ${quoted}`) },
    { changes: names.map(([quoted]) => inline(quoted, "3")) },
  ]);
  const cwd = newDirectory();
  const now = await replayed(cwd, repo);
  expect(now.files.map(({ path }) => path).sort()).toEqual(names.map(([, text]) => text).sort());
  for (const action of ["create", "update", "trash", "recover"]) {
    expect(now.events.filter((event) => event.action === action).length).toBe(names.length);
  }
  const { out } = await run(cwd, repo);
  expect(out).not.toContain("\u001b");
});

test("an author is one actor by email, whatever the name and the date; this database is the cortex", async () => {
  const repo = newRepo("--bare");
  const people = [
    "Ann <ann@example.com> 0 +0000",
    "Ann Married <ann@example.com> 1600000000 +0530",
    " <nameless@example.com> 1 +0000",
    " <> 1 +0000",
    `${"\u00f0\u009f\u0098\u0080".repeat(200)} <long@example.com> 1 +0000`,
    "J\u00f6rg <latin1@example.com> 1 +0000",
    "Late <late@example.com> 99999999999999 +0000",
    ":1 2 3 4 <colon@example.com> 1 +0000",
  ];
  importCommits(
    repo,
    people.map((author, i) => ({ author, changes: [inline("a", String(i))] })),
  );
  const { events } = await replayed(newDirectory(), repo);
  const emails = ["ann", "ann", "nameless"].map((name) => `${name}@example.com`);
  const others = ["long", "latin1", "late", "colon"].map((name) => `${name}@example.com`);
  expect(events.map(({ actor }) => actor)).toEqual([...emails, "unknown", ...others]);
  const names = events.map(({ meta }) => meta?.author);
  expect(names).toEqual(["Ann", "Ann Married", "", "", "😀".repeat(200), '"J\\xf6rg"', "Late", ":1 2 3 4"]);
  expect(events.slice(0, 2).map(({ timestamp }) => timestamp)).toEqual([
    "1970-01-01T00:00:00.000Z",
    "2020-09-13T12:26:40.000Z",
  ]);
  expect(events[6]?.timestamp).toBe("9999-12-31T23:59:59.000Z");
  expect(new Set(events.map(({ cortexId }) => cortexId)).size).toBe(1);
  expect(events.map(({ vclock, cortexId }) => vclock?.[cortexId])).toEqual(events.map((_, i) => i + 1));
});

test("no configuration and no environment of the user changes what is read", async () => {
  const repo = newRepo();
  mkdirSync(join(repo, "sub"));
  writeFileSync(join(repo, "sub/a"), "the same long enough text\n".repeat(9));
  git(repo, ["add", "."]);
  git(repo, ["update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},m`]);
  git(repo, ["commit", "-q", "-m", "root"]);
  git(repo, ["update-index", "--add", "--cacheinfo", `160000,${"2".repeat(40)},m`]);
  git(repo, ["mv", "sub/a", "ünï"]);
  git(repo, ["commit", "-q", "-m", "rename"]);
  git(repo, ["replace", "HEAD~1", "HEAD"]);
  mkdirSync(join(repo, "sub"), { recursive: true });
  const config = join(newDirectory(), "config");
  writeFileSync(
    config,
    `[color]\nui = always\n[diff]\nrenames = copies\nrelative = true\nignoreSubmodules = all\nsubmodule = log
     orderFile = /nowhere\nexternal = false\nmnemonicPrefix = true\n[core]\nquotePath = true\nabbrev = 4\npager = false
     [log]\nshowRoot = false\ndiffMerges = combined\nshowSignature = true\ndecorate = full\ndate = relative
     [format]\npretty = oneline\n[i18n]\nlogOutputEncoding = latin1\n[alias]\nlog = status\n`,
  );
  const cwd = newDirectory();
  const more = { GIT_CONFIG_GLOBAL: config, GIT_DIR: "/nowhere", GIT_EXTERNAL_DIFF: "false", LC_ALL: "C" };
  const now = await replayed(cwd, join(repo, "sub"), { more });
  expect(told(now)).toEqual(["create m", "create sub/a", "update m", "trash sub/a", "create ünï"]);
});

test("a second run adds nothing, and new commits go on from the last one", async () => {
  const repo = newRepo("--bare");
  const cwd = newDirectory();
  importCommits(repo, [{ changes: [inline("a", "1")] }, { changes: [inline("b", "1"), "D a"] }]);
  const first = await replayed(cwd, repo);
  const second = await replayed(cwd, repo);
  expect(second).toEqual(first);
  importCommits(repo, [{ changes: ["from refs/heads/main^0", inline("a", "2")] }]);
  const third = await replayed(cwd, repo);
  expect(third.events.slice(0, 3)).toEqual(first.events);
  expect(told(third).slice(3)).toEqual(["recover a"]);
  expect(third.events[3]?.traceId).toBe(first.events[0]?.traceId);
});

test("after a rewritten history the log goes on to the new tree", async () => {
  const repo = newRepo();
  const cwd = newDirectory();
  for (const text of ["1", "2", "3"]) {
    writeFileSync(join(repo, "a"), text);
    writeFileSync(join(repo, text), text);
    commitAll(repo, text);
  }
  const first = await replayed(cwd, repo);
  git(repo, ["commit", "-q", "--amend", "-m", "other words"]);
  expect((await replayed(cwd, repo)).events).toEqual(first.events);
  git(repo, ["reset", "-q", "--hard", "HEAD~2"]);
  const back = await replayed(cwd, repo);
  expect(told(back).slice(first.events.length).sort()).toEqual(["trash 2", "trash 3", "update a"]);

  // The last commit may be gone altogether, or be part of HEAD's history as a second parent only.
  git(repo, ["commit", "-q", "--amend", "-m", "other words again"]);
  git(repo, ["reflog", "expire", "--expire=now", "--all"]);
  git(repo, ["gc", "-q", "--prune=now"]);
  expect(() => git(repo, ["cat-file", "-e", back.commit!])).toThrow();
  await replayed(cwd, repo);
  git(repo, ["switch", "-q", "-c", "other"]);
  writeFileSync(join(repo, "b"), "b");
  commitAll(repo, "other");
  git(repo, ["switch", "-q", "main"]);
  writeFileSync(join(repo, "c"), "c");
  commitAll(repo, "main");
  await replayed(cwd, repo);
  git(repo, ["switch", "-q", "other"]);
  git(repo, ["merge", "-q", "-m", "merge", "main"]);
  const merged = await replayed(cwd, repo);
  expect(told(merged).at(-1)).toBe("create b");
});

test("bare, shallow, SHA-256 and detached repositories are replayed too", async () => {
  const repo = newRepo();
  importCommits(
    repo,
    [1, 2, 3, 4].map((i) => ({ changes: [inline(`file${i}`, "1"), inline("a", String(i))] })),
  );
  const shallow = newDirectory();
  git(shallow, ["clone", "-q", "--depth", "2", pathToFileURL(repo).href, "."]);
  const cwd = newDirectory();
  const warning =
    "This clone is shallow: the log begins at its oldest commit. For all: git fetch --unshallow\n";
  expect((await replayed(cwd, shallow, { warning })).events.length).toBe(6);
  git(shallow, ["fetch", "-q", "--unshallow"]);
  expect((await replayed(cwd, shallow)).events.length).toBe(6);
  git(shallow, ["checkout", "-q", "--detach", "HEAD~1"]);
  await replayed(cwd, shallow);

  const sha256 = newRepo("--bare", "--object-format=sha256");
  importCommits(sha256, [{ changes: [inline("a", "1")] }, { changes: [inline("a", "2")] }]);
  expect((await replayed(newDirectory(), sha256)).events.length).toBe(2);
});

test("a repository without commits is fine, a folder without a repository is not", async () => {
  const empty = await run(newDirectory(), newRepo());
  expect(empty).toMatchObject({ code: 0, error: "" });
  expect(empty.out).toContain("no commits yet");
  for (const folder of [newDirectory(), join(temp, "absent")]) {
    const none = await run(newDirectory(), folder);
    expect(none.code).toBe(2);
    expect(none.error).toContain("is not a git repository");
  }
});

test("a log that does not fold to the tree is told, with exit code 1", async () => {
  const repo = newRepo("--bare");
  const cwd = newDirectory();
  importCommits(repo, [{ changes: [inline("a", "1")] }]);
  const { events } = await replayed(cwd, repo);
  importCommits(repo, [{ changes: ["from refs/heads/main^0", inline("b", "1")] }]);
  // A run that claims to have replayed a commit that it has not.
  const db = await openOnlyDatabase(cwd);
  await db.update(progress).set({ commit: git(repo, ["rev-parse", "HEAD"]).trim() });
  db.$client.close();
  const { code, out } = await run(cwd, repo);
  expect(code).toBe(1);
  expect(out).toMatch(/^- 100644 blob [0-9a-f]{40}\\u\{9\}b$/m);
  expect((await state(cwd)).events).toEqual(events);
});

/** 600 commits of three changes each: files come, change, go and come back. */
function longHistory(): string {
  const repo = newRepo("--bare");
  const commits = Array.from({ length: 600 }, (_, i) => ({
    author: `Author ${i % 5} <${i % 3}@example.com> ${1_600_000_000 + i} +0000`,
    changes: [
      inline(`new/${i}`, "1"),
      i % 4 === 3 ? "D often" : inline("often", String(i)),
      inline(`again/${i % 50}`, String(i)),
    ],
  }));
  importCommits(repo, commits);
  return repo;
}

/** The events without what every replay makes anew. */
const content = ({ events }: State) =>
  events.map(({ seq, action, origin, timestamp, data }) => ({ seq, action, origin, timestamp, data }));

test("kill -9 loses nothing and doubles nothing, wherever it strikes", async () => {
  const repo = longHistory();
  const cwd = newDirectory();
  const whole = await replayed(newDirectory(), repo);
  expect(whole.events.length).toBe(1800);
  const stoppedAt: number[] = [];
  // Each percentage is of the commits that were left.
  // Before there is a database, and while it is made.
  expect(await run(cwd, repo, { killAt: "Replaying" })).toMatchObject({ signal: "SIGKILL" });
  for (const killAt of ["10%", "10%", "20%", "10%", "30%", "50%"]) {
    await run(cwd, repo, { killAt });
    const now = await state(cwd);
    const commits = now.commit === undefined ? 0 : Number(git(repo, ["rev-list", "--count", now.commit]));
    expect(now.events.length).toBe(3 * commits);
    if (now.commit !== undefined) expectSame(now, repo, now.commit);
    stoppedAt.push(commits);
  }
  expect(new Set(stoppedAt.filter((commits) => commits > 0 && commits < 600)).size).toBeGreaterThan(1);
  expect(content(await replayed(cwd, repo))).toEqual(content(whole));
}, 240_000);

test("a commit that fails at its last write leaves nothing of itself behind", async () => {
  const repo = newRepo("--bare");
  const cwd = newDirectory();
  const sha = (commit: string) => git(repo, ["rev-parse", commit]).trim();
  importCommits(repo, [{ changes: [inline("a", "1")] }]);
  await replayed(cwd, repo);
  importCommits(repo, [
    { changes: ["from refs/heads/main^0", inline("b", "1")] },
    { author: "New <new@example.com> 1 +0000", changes: ["D a", inline("b", "2"), inline("c", "1")] },
  ]);
  const db = await openOnlyDatabase(cwd);
  const stop = `when new."commit" = '${sha("HEAD")}' begin select raise(abort, 'stopped'); end`;
  await db.run(`create trigger stop before update on progress ${stop}`);
  const { code, error } = await run(cwd, repo);
  expect({ code, stopped: error.includes("stopped") }).toEqual({ code: 1, stopped: true });
  const half = await state(cwd);
  expect(half.commit).toBe(sha("HEAD~1"));
  expect(told(half)).toEqual(["create a", "create b"]);
  expectSame(half, repo, "HEAD~1");
  await db.run("drop trigger stop");
  db.$client.close();
  expect(told(await replayed(cwd, repo))).toEqual([...told(half), "trash a", "update b", "create c"]);
});

test("two runs at once double nothing, and the one that is late says so in one line", async () => {
  const repo = longHistory();
  const cwd = newDirectory();
  const runs = await Promise.all([run(cwd, repo), run(cwd, repo)]);
  for (const { code, error } of runs) {
    const told = code === 0 ? "" : "Another run is replaying this repository: this one stops.\n";
    expect(error).toBe(told);
  }
  expect(runs.map(({ code }) => code)).toContain(0);
  const now = await replayed(cwd, repo);
  expect(now.events.length).toBe(1800);
});
