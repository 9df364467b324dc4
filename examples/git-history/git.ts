import { isUtf8 } from "node:buffer";
import { spawn } from "node:child_process";

/** A file as a commit leaves it; one that it deletes has neither mode nor blob. */
export type Change = { path: string; mode: string; blob: string } | { path: string; mode: null; blob: null };

export interface Commit {
  sha: string;
  name: string;
  email: string;
  /** The author date in seconds since 1970, as the commit claims it. */
  seconds: number;
  changes: Change[];
}

// Flags, so that the output is the same under every user's configuration.
const LOG = [
  ...["-c", "log.showRoot=true", "log", "-z", "--first-parent", "--diff-merges=first-parent"],
  ...["--raw", "--no-abbrev", "--no-renames", "--no-relative", "--ignore-submodules=none", "-O/dev/null"],
  ...["--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--encoding=UTF-8"],
];

/** The repository's own directory. Fails with git's words when there is none. */
export async function gitDir(repo: string): Promise<string> {
  return oneLine(repo, "rev-parse", "--absolute-git-dir");
}

/** The commit that HEAD is at, or undefined before the first one. */
export async function headOf(repo: string): Promise<string | undefined> {
  return (await oneLine(repo, "rev-parse", "--revs-only", "HEAD")) || undefined;
}

/** Whether older commits were left out when it was cloned. */
export async function isShallow(repo: string): Promise<boolean> {
  return (await oneLine(repo, "rev-parse", "--is-shallow-repository")) === "true";
}

/**
 * The commits of a range, oldest first, along first parents: a merge is one step that brings in all of its
 * branch. So each commit's changes start from the tree that the commit before it left.
 */
export async function* readCommits(repo: string, ...range: string[]): AsyncGenerator<Commit, void> {
  const format = "--format=%H%x00%an%x00%ae%x00%at";
  let commit: Commit | undefined;
  const fields = git(repo, ...LOG, "--reverse", format, ...range, "--");
  const next = async () => (await fields.next()).value ?? "";
  for await (const field of fields) {
    // ":100644 100755 <old blob> <new blob> M", then the path.
    const line = field.trim();
    const [, mode, , blob] = line.split(" ");
    if (mode && blob && commit) {
      const path = textOf(await next());
      commit.changes.push(mode === "000000" ? { path, mode: null, blob: null } : { path, mode, blob });
    } else if (line !== "") {
      if (commit) yield commit;
      const [name, email, seconds] = [textOf(await next()), textOf(await next()), Number(await next())];
      commit = { sha: line, name, email, seconds, changes: [] };
    }
  }
  // Only now: had git died half-way through this commit, the loop would have thrown.
  if (commit) yield commit;
}

export async function countCommits(repo: string, range: string): Promise<number> {
  return Number(await oneLine(repo, "rev-list", "--count", "--first-parent", range, "--"));
}

export async function isOnFirstParents(repo: string, sha: string, head: string): Promise<boolean> {
  const line = git(repo, "log", "-z", "--first-parent", "--no-show-signature", "--format=%H", head, "--");
  for await (const field of line) if (field === sha) return true;
  return false;
}

export interface TreeEntry {
  mode: string;
  /** `blob` for files and links, `commit` for submodules. */
  type: string;
  blob: string;
  path: string;
}

export async function* readTree(repo: string, head: string): AsyncGenerator<TreeEntry, void> {
  for await (const entry of git(repo, "ls-tree", "-r", "-z", "--full-tree", head)) {
    const tab = entry.indexOf("\t");
    const [mode = "", type = "", blob = ""] = entry.slice(0, tab).split(" ");
    yield { mode, type, blob, path: textOf(entry.slice(tab + 1)) };
  }
}

/**
 * Bytes, one per character, as text without loss. Names in git are bytes: what is not UTF-8 goes into quotes,
 * with \xff for each byte beyond ASCII, and so does what begins with a quote, so that no two names look alike.
 */
function textOf(bytes: string): string {
  const buffer = Buffer.from(bytes, "latin1");
  if (isUtf8(buffer) && !bytes.startsWith('"')) return buffer.toString();
  return `"${bytes.replace(/[\\\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)}"`;
}

async function oneLine(repo: string, ...args: string[]): Promise<string> {
  let line = "";
  for await (const field of git(repo, ...args)) line += field;
  return line.replace(/\n$/, "");
}

/** The NUL-separated fields that a git command prints, as it prints them, each byte as one character. */
async function* git(repo: string, ...args: string[]): AsyncGenerator<string, void> {
  // Inside a git hook these name the hook's repository, and would win over -C.
  const env = { ...process.env, GIT_DIR: undefined, GIT_WORK_TREE: undefined };
  const command = ["-C", repo, "--no-replace-objects", ...args];
  const child = spawn("git", command, { env, stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  exit.catch(() => {});
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    complaint += text;
  });
  try {
    let rest = "";
    for await (const chunk of child.stdout.setEncoding("latin1")) {
      const fields = `${rest}${chunk}`.split("\0");
      rest = fields.pop()!;
      yield* fields;
    }
    if ((await exit) !== 0) throw new Error(complaint.trim() || `git ${args[0]} did not finish`);
    if (rest !== "") yield rest;
  } finally {
    child.kill();
  }
}
