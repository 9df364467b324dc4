// A process that writes to a file in all ways at once until it is killed, and says what became of each write.
import { argument, ready, say } from "./child.js";
import { type ClientKind, FORMS, type Form, mark, openAs, PLAIN_FORMS, REFUSED_FORMS } from "./marks.js";

export interface MixedArguments {
  url: string;
  client: ClientKind;
  lanes: number;
  /** The number of its first write. */
  from: number;
}

export type MixedLine = { stored: number } | { refused: number; isMeant: boolean; error: string };

const { url, client, lanes, from } = argument<MixedArguments>();
const forms: readonly Form[] =
  client === "own" ? [...FORMS, ...FORMS, ...FORMS, ...REFUSED_FORMS] : PLAIN_FORMS;
await ready();

const db = await openAs(client, url);
let n = from;
for (let lane = 0; lane < lanes; lane++) void writeAll();

async function writeAll(): Promise<never> {
  for (;;) {
    const mine = n++;
    const form = forms[mine % forms.length]!;
    try {
      await mark(db, mine, form);
      say({ stored: mine });
    } catch (error) {
      const isMeant = REFUSED_FORMS.some((refused) => refused === form);
      say({ refused: mine, isMeant, error: String(error) });
      // A client that refuses at once would never leave the event loop.
      await new Promise(setImmediate);
    }
  }
}
