// A process that writes so many times whenever it is told to, and says what became of each write.
import { createInterface } from "node:readline";
import { argument, say } from "./child.js";
import { codeOf } from "./close-operations.js";
import { type ClientKind, FORMS, type Form, mark, openAs, PLAIN_FORMS } from "./marks.js";

export interface DiskArguments {
  url: string;
  client: ClientKind;
  writes: number;
  lanes: number;
  /** The user that it becomes first: root may write everywhere. */
  uid?: number;
}

export type DiskLine = { opened: string } | { stored: number[]; refused: number[]; codes: string[] };

const { url, client, writes, lanes, uid } = argument<DiskArguments>();
const forms: readonly Form[] = client === "own" ? FORMS : PLAIN_FORMS;
if (uid !== undefined) process.setuid!(uid);
let n = 0;
const opened = await openAs(client, url).catch(codeOf);
say({ opened: typeof opened === "string" ? opened : "ok" } satisfies DiskLine);
for await (const _ of createInterface({ input: process.stdin })) await writeMany();

async function writeMany(): Promise<void> {
  if (typeof opened === "string") throw new Error(opened);
  const end = n + writes;
  const [stored, refused, codes]: [number[], number[], Set<string>] = [[], [], new Set()];
  const lane = async () => {
    while (n < end) {
      const mine = n++;
      try {
        await mark(opened, mine, forms[mine % forms.length]!);
        stored.push(mine);
      } catch (error) {
        refused.push(mine);
        codes.add(codeOf(error));
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  say({ stored, refused, codes: [...codes] } satisfies DiskLine);
}
