import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";

/** The environment of someone who has just opened a shell: without what `npm run` and this repository add. */
const ENV: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([key]) => !/^(npm_(package|lifecycle)_|npm_config_local_prefix$)/.test(key),
    ),
  ),
  PATH: process.env
    .PATH!.split(":")
    .filter((dir) => !dir.includes("node_modules"))
    .join(":"),
  NO_COLOR: "1",
  FORCE_COLOR: undefined,
  npm_config_prefer_offline: "true",
  npm_config_audit: "false",
  npm_config_fund: "false",
  npm_config_update_notifier: "false",
  // Nothing compiles anew, and npx runs what the app has installed or fails.
  npm_config_ignore_scripts: "true",
  npm_config_yes: "false",
};

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Where a command runs, its arguments, what it has in its environment besides, and its time-out in milliseconds. */
type Command = [cwd: string, command: string, args: readonly string[], env?: object, timeout?: number];

function optionsOf([cwd, , , env = {}, timeout = 300_000]: Command) {
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
  return { cwd, env: { ...ENV, ...env }, stdio, timeout };
}

/** Runs a command to its end, without input; for one that must succeed see `run`. */
export function attempt(...call: Command): Outcome {
  const [, command, args] = call;
  const options = { ...optionsOf(call), encoding: "utf8", maxBuffer: 2 ** 26 } as const;
  const outcome = spawnSync(command, args, options);
  if (outcome.error) throw outcome.error;
  return outcome;
}

/** Runs a command and throws an error with all its output unless it exits with 0. */
export function run(...call: Command): Outcome {
  const outcome = attempt(...call);
  if (outcome.status !== 0) {
    const [, command, args] = call;
    const { status, stdout, stderr } = outcome;
    throw new Error(`${command} ${args.join(" ")} exited with ${status}\n${stdout}${stderr}`);
  }
  return outcome;
}

/** As `attempt`, while others go on. */
export async function attemptBeside(...call: Command): Promise<Outcome> {
  const [, command, args] = call;
  const child = spawn(command, args, optionsOf(call));
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { status, stdout, stderr };
}
