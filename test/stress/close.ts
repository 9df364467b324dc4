import { join } from "node:path";
import type { CloseTally } from "./close-operations.js";
import type { CloseArguments } from "./close-process.js";
import { control, type Harness, heard, none, plural, startChild, withDirectory } from "./harness.js";
import type { HolderArguments } from "./lock-holder.js";

export const close: Harness = {
  name: "close",
  fault: "close at every stage",
  required:
    "acknowledged there, refused absent, typed errors, nothing hangs or reopens; a naive retry must reopen",
  timeout: [600_000, 600_000],
  async run() {
    return withDirectory(async (directory) => {
      const file = join(directory, "close.db");
      const args: CloseArguments = { file };
      const child = startChild("./close-process.ts", args);
      await heard(child);
      const holding: HolderArguments = { file, hold: [0, 0], leave: [0, 0], isOnce: true };
      const holder = startChild("./lock-holder.ts", holding);
      await heard(holder);
      child.tell("locked");
      await heard(child);
      holder.tell("go");
      const tally = await heard<CloseTally>(child);
      const codes = await Promise.all([child.exit, holder.exit]);
      if (tally.wrong.length > 0) console.error("close:", tally.wrong.slice(0, 20));
      return {
        ran: "every way to write and read, closed at each step; waiting for a transaction, for another process; inside a transaction; beside others on the file",
        count: plural(tally.closed, "close"),
        figures: [
          [`${tally.stored} done`, tally.stored > 0],
          [`${tally.refused} refused`, tally.refused > 0],
          none(tally.wrong.length, "wrong"),
          [`${tally.after} calls after it refused`, tally.after > 0],
          none(tally.open, "descriptors left"),
          none(codes.filter((code) => code !== 0).length, "crashed"),
          control(`a retry that reconnects wrote ${tally.reopened} after its close`, tally.reopened),
        ],
      };
    });
  },
};
