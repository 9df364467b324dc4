import { startWorkers } from "../d1/workers.js";
import { type Audit, writeTogether } from "../d1/writers.js";
import { control, type Harness, none } from "./harness.js";

const WRITERS = 8;

export const d1: Harness = {
  name: "d1",
  fault: "D1, many writers",
  required:
    "all acknowledged present once, counters dense, own queries as often; naively refused or miscounted",
  timeout: [600_000, 1_200_000],
  async run({ short }) {
    const each = short ? 25 : 250;
    const workers = await startWorkers(WRITERS, ["append", "naive"]);
    let audit: Audit;
    let naive: Audit;
    try {
      // One in ten is sent twice, as by a client that lost the answer.
      audit = await writeTogether(workers, {
        ...{ route: "append", writers: WRITERS, each, twice: (n) => n % 10 === 0 },
      });
      naive = await writeTogether(workers, { route: "naive", writers: WRITERS, each: 25 });
    } finally {
      await workers.close();
    }
    const { acknowledged, refused, lost, doubled, miscounted, strays, longest } = audit;
    const failed = naive.refused + naive.miscounted;
    return {
      ran: `${WRITERS} Workers on one D1 through \`cortex.batch\`, two cortexes, each append with a query of the app's`,
      count: `${acknowledged} appends`,
      figures: [
        [`${acknowledged} acknowledged`, acknowledged === WRITERS * each],
        none(refused, "refused"),
        none(lost, "lost"),
        none(doubled, "doubled"),
        none(miscounted, "miscounted"),
        none(strays, "queries too often"),
        [`longest wait ${(longest / 1000).toFixed(1)} s`, true],
        control(`naively ${failed} of ${WRITERS * 25} refused or miscounted`, failed),
      ],
    };
  },
};
