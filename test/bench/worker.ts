import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Question } from "./child.js";

/** A stack in a process of its own. */
export class Worker {
  #child: ChildProcess;

  constructor(program: string, stack: string) {
    this.#child = fork(program, [stack], { execArgv: ["--expose-gc"] });
  }

  ask<T>(question: Question): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (message: { value?: unknown; error?: string }) => {
        this.#child.off("exit", gone);
        if (message.error === undefined) resolve(message.value as T);
        else reject(new Error(message.error));
      };
      const gone = (code: number | null, signal: string | null) => {
        this.#child.off("message", settle);
        reject(new Error(`its process ended: ${signal ?? code}`));
      };
      this.#child.once("message", settle);
      this.#child.once("exit", gone);
      this.#child.send(question, (error) => error && reject(error));
    });
  }

  /** Resolves when its process is gone, and leaves its files alone. */
  end(): Promise<unknown> {
    const gone = this.#child.exitCode === null && once(this.#child, "exit");
    this.#child.kill();
    return Promise.resolve(gone);
  }
}
