import type { Entry } from "./measure.js";
import { count, type Growth, growthOf, type Report } from "./report.js";
import { BY_HAND, OURS } from "./rows.js";

const COLOURS: Record<string, string> = {
  [OURS]: "#2f81f7",
  libsql: "#8b949e",
  [BY_HAND]: "#bf8700",
  "@libsql/client": "#db6d28",
  Drizzle: "#a371f7",
  "better-sqlite3": "#3fb950",
  Emmett: "#e5534b",
};
const WIDTH = 880;
const LEFT = 300;
const RIGHT = 850;
const ROW = 26;
const TICKS = [0.5, 1, 2, 4, 8, 16, 32];

// Readable on white and on black: a README cannot know which. GitHub passes the reader's choice on to the image.
const STYLE = `text{font:12px system-ui,sans-serif;fill:#57606a}.strong{fill:#1f2328;font-weight:600}
.line{stroke:#d0d7de}.one{stroke:#57606a}.target{stroke:#1f2328;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#8d96a0}.strong{fill:#e6edf3}.line{stroke:#30363d}
.one{stroke:#8d96a0}.target{stroke:#e6edf3}}`;

/** The ratios at the largest log, and how the package's times grow from the smallest to the largest. */
export function drawing(report: Report): string {
  const [ratios, middle] = drawRatios(report);
  const [growths, height] = drawGrowths(growthOf(report.results), middle + 50);
  const title = "Time relative to raw libsql, and growth with the log";
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${title}</title>
<style>${STYLE}</style>
${[...ratios, ...growths].join("\n")}
</svg>
`;
}

function drawRatios({ machine, results }: Report): [string[], number] {
  const largest = Math.max(...results.map(({ size }) => size));
  const shown = results.filter(({ size, baseline }) => size === largest && baseline === "libsql");
  const greatest = Math.max(2, ...shown.flatMap(({ entries }) => entries.map(({ ratio }) => ratio)));
  const end = TICKS.find((tick) => tick >= greatest) ?? greatest;
  const x = (ratio: number) => {
    const place = Math.log(Math.max(ratio, 0.5) / 0.5) / Math.log(end / 0.5);
    return LEFT + Math.min(place, 1) * (RIGHT - LEFT);
  };
  const top = 92;
  const bottom = top + shown.length * ROW;
  const out = [
    text(16, 26, `Time relative to raw libsql, log of ${count(largest)} events (less is faster)`, "strong"),
    text(16, 46, `${machine.cpu}, Node ${machine.versions.node}, ${machine.filesystem.split(" ")[0]}`),
    ...legend(
      16,
      70,
      new Set(shown.flatMap(({ entries }) => entries.filter(isPresent).map(({ stack }) => stack))),
    ),
  ];
  for (const tick of TICKS.filter((tick) => tick <= end)) {
    out.push(line(x(tick), top - 6, x(tick), bottom, tick === 1 ? "one" : "line"));
    out.push(text(x(tick), bottom + 16, `${tick}×`, "", "middle"));
  }
  shown.forEach(({ row, target, entries }, i) => {
    const y = top + i * ROW + ROW / 2;
    out.push(text(LEFT - 14, y + 4, row.replace(", one per transaction", ""), "", "end"));
    const present = entries.filter(isPresent);
    const ours = present.find(({ stack }) => stack === OURS);
    if (ours) {
      const [from, to] = [x(1), x(ours.ratio)].sort((a, b) => a - b);
      out.push(rectangle(from!, y - 6, Math.max(to! - from!, 2), 12, COLOURS[OURS]!));
    }
    for (const { stack, ratio } of present) {
      if (stack !== OURS) out.push(circle(x(ratio), y, COLOURS[stack]!));
    }
    if (target !== undefined) out.push(line(x(target), y - 10, x(target), y + 10, "target"));
  });
  return [out, bottom + 16];
}

const isPresent = ({ stack, absent }: Entry) => !absent && stack !== "libsql";

function legend(left: number, y: number, stacks: ReadonlySet<string>): string[] {
  let x = left;
  const out: string[] = [];
  for (const [stack, colour] of Object.entries(COLOURS)) {
    if (!stacks.has(stack)) continue;
    out.push(stack === OURS ? rectangle(x, y - 10, 12, 12, colour) : circle(x + 6, y - 4, colour));
    out.push(text(x + 18, y, stack));
    x += 40 + stack.length * 6.8;
  }
  return [...out, line(x + 4, y - 12, x + 4, y + 4, "target"), text(x + 12, y, "target")];
}

function drawGrowths(growths: readonly Growth[], top: number): [string[], number] {
  const [first] = growths;
  if (!first) return [[], top];
  const sizes = first.sizes.map(count).join(" → ");
  const out = [
    text(
      16,
      top,
      `Time per call as the log grows, ${sizes} events (relative to ${count(first.sizes[0]!)})`,
      "strong",
    ),
    line(600, top - 4, 622, top - 4, "line", COLOURS[OURS]),
    text(628, top, OURS),
    line(748, top - 4, 770, top - 4, "line", COLOURS.libsql, "4 3"),
    text(776, top, "libsql"),
  ];
  const width = (WIDTH - 32) / growths.length;
  const [high, low] = [top + 40, top + 150];
  const values = growths.flatMap(({ factors }) => [...(factors[OURS] ?? []), ...(factors.libsql ?? [])]);
  const most = Math.max(2, Math.ceil(Math.max(...values)));
  const y = (factor: number) => low - (factor / most) * (low - high);
  growths.forEach(({ row, target, factors }, i) => {
    const left = 16 + i * width;
    const x = (k: number) => left + 34 + (k * (width - 70)) / (first.sizes.length - 1);
    out.push(text(left, top + 24, row.replace("one per transaction, ", "")));
    for (let factor = 0; factor <= most; factor++) {
      out.push(line(x(0), y(factor), x(first.sizes.length - 1), y(factor), factor === 1 ? "one" : "line"));
      out.push(text(left + 26, y(factor) + 4, `${factor}×`, "", "end"));
    }
    for (const [stack, dash] of [
      ["libsql", "4 3"],
      [OURS, undefined],
    ] as const) {
      const places = (factors[stack] ?? []).map((factor, k) => `${round(x(k))},${round(y(factor))}`);
      const dashes = dash ? ` stroke-dasharray="${dash}"` : "";
      out.push(
        `<polyline points="${places.join(" ")}" fill="none" stroke="${COLOURS[stack]}" stroke-width="2"${dashes}/>`,
      );
    }
    out.push(
      line(x(first.sizes.length - 1) - 8, y(target), x(first.sizes.length - 1) + 8, y(target), "target"),
    );
    first.sizes.forEach((size, k) => {
      out.push(text(x(k), low + 16, count(size), "", "middle"));
    });
  });
  return [out, low + 32];
}

function text(x: number, y: number, content: string, style = "", anchor = "start"): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(x)}" y="${round(y)}" class="${style}" text-anchor="${anchor}">${escaped}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, style: string, colour?: string, dash?: string) {
  const own = colour
    ? ` style="stroke:${colour};stroke-width:2"${dash ? ` stroke-dasharray="${dash}"` : ""}`
    : "";
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${style}"${own}/>`;
}

function rectangle(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" rx="2" fill="${colour}"/>`;
}

function circle(x: number, y: number, colour: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="4.5" fill="${colour}"/>`;
}

const round = (n: number) => Math.round(n * 10) / 10;
