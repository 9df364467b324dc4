import fc from "fast-check";
import { seeded } from "../fixture.js";
import { control, type Harness, plural } from "./harness.js";
import { createLog } from "./log.js";
import { arbitraryCommands, newModel, START } from "./model-commands.js";
import type { Outcomes } from "./model-reference.js";

const LEAST_HITS = 30;

export const model: Harness = {
  name: "model",
  fault: "model",
  required: `0 divergences; every outcome hit ≥ ${LEAST_HITS} times; a model that forgets rollbacks must diverge`,
  timeout: [600_000, 600_000],
  async run({ short, seed }) {
    const outcomes: Outcomes = new Map();
    const details = await compareAll(short ? 200 : 2_000, seed, outcomes, false);
    if (details.failed) console.error(fc.defaultReportMessage(details), details.errorInstance);
    const broken = await compareAll(200, seed, new Map(), true);
    const hits = [...outcomes].sort((a, b) => a[1] - b[1]);
    const rare = hits.filter(([, n]) => n < LEAST_HITS).map(([outcome, n]) => `${outcome} ${n}`);
    const missing = OUTCOMES.filter((outcome) => !outcomes.has(outcome));
    const [rarest, fewest] = hits[0] ?? ["nothing", 0];
    return {
      ran: `fast-check commands against an in-memory reference, seed ${seed}`,
      count: plural(details.numRuns, "run"),
      figures: [
        [`${details.failed ? 1 : 0} divergences`, !details.failed],
        [
          `${hits.length} outcomes, the rarest (${rarest}) ${fewest} times`,
          rare.length + missing.length === 0,
        ],
        ...(rare.length + missing.length > 0
          ? [[`too rare: ${[...rare, ...missing].join(", ")}`, false] as const]
          : []),
        control(`diverges at run ${broken.numRuns}`, Number(broken.failed)),
      ],
    };
  },
};

const OUTCOMES = [
  ...[
    "stored",
    "duplicate",
    "batch",
    "ID_CONFLICT",
    "KEY_CONFLICT",
    "FORK",
    "STALE_HEAD",
    "LIFECYCLE",
    "InputError",
  ],
  ...["NOT_A_TRANSACTION", "LOG_REPLACED", "committed", "rolled back", "nested kept", "nested rolled back"],
  ...["feed", "cursor", "pages", "forTrace", "since", "latest", "get", "clock", "drifted"],
];

async function compareAll(numRuns: number, seed: number, outcomes: Outcomes, forgetsRollbacks: boolean) {
  const property = fc.asyncProperty(arbitraryCommands, async (commands) => {
    const db = await createLog(":memory:");
    try {
      const setup = () => ({
        model: newModel(outcomes, forgetsRollbacks),
        real: { db, now: START, randomness: seeded(seed) },
      });
      await fc.asyncModelRun(setup, commands);
    } finally {
      db.$client.close();
    }
  });
  return fc.check(property, { numRuns, seed, endOnFailure: forgetsRollbacks });
}
