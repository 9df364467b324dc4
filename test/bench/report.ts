import type { Machine } from "./machine.js";
import type { Entry, Result } from "./measure.js";
import type { Profile } from "./profile.js";
import { BY_HAND, OURS, rows, WITHOUT } from "./rows.js";
import { median, ratios } from "./statistics.js";
import type { UlidRate } from "./ulid.js";

const OTHERS = ["@libsql/client", "Drizzle", "better-sqlite3", "Emmett"];

export interface Report {
  machine: Machine;
  date: string;
  quick: boolean;
  seconds: number;
  /** How many events the logs began with; the smallest is there for the growth only. */
  sizes: number[];
  results: Result[];
  profiles: Profile[];
  ulid: UlidRate[];
}

export interface Growth {
  row: string;
  target: number;
  sizes: number[];
  /** The median time of a call at each size, over that at the smallest; by stack. */
  factors: Record<string, number[]>;
}

export function growthOf(results: readonly Result[]): Growth[] {
  return rows.flatMap(({ name, growth }) => {
    const bySize = results.filter(({ row }) => row === name);
    if (!growth || bySize.length < 2) return [];
    const sizes = bySize.map(({ size }) => size);
    const stacks = bySize[0]!.entries.filter(({ absent }) => !absent).map(({ stack }) => stack);
    const factors = stacks.map((stack) => {
      const times = bySize.map(({ entries }) => entries.find((entry) => entry.stack === stack)!.median);
      return [stack, times.map((time) => time / times[0]!)];
    });
    return [{ row: name, target: growth, sizes, factors: Object.fromEntries(factors) }];
  });
}

export function markdown({ machine, date, quick, seconds, sizes, results, profiles, ulid }: Report): string {
  const growth = growthOf(results);
  const measured = results.filter(({ size }) => size > sizes[0]!);
  return [
    machineLines(machine),
    `${date}, ${quick ? "quick, " : ""}${Math.round(seconds)} s\n`,
    "Times are relative to raw libsql: medians of the ratios in the same round.\n",
    table([
      [
        ...["operation", "log", "libsql", "this package", "target", ""],
        ...["by hand", "package to by hand", "target", "", ...OTHERS, "peak MB (libsql)", "rounds"],
      ],
      ...measured.filter(({ baseline }) => baseline === "libsql").map(ratioLine),
    ]),
    `\n${emmettLine(machine.versions, measured)}\n`,
    table([
      ["plain Drizzle on a table of the app", "log", "@libsql/client", "openLibsql", "target", "", "rounds"],
      ...measured.filter(({ baseline }) => baseline === BY_HAND).map(plainLine),
    ]),
    "",
    table([
      ["what the proof costs", "log", "without", "with", "target", "", "rounds"],
      ...measured.filter(({ baseline }) => baseline.startsWith(WITHOUT)).map(plainLine),
    ]),
    "",
    table([
      ["concurrency", "log", "one by one", "100 writers", "gain", "target", ""],
      ...measured.filter(({ baseline }) => baseline === OURS).map(writersLine),
    ]),
    "",
    table([
      ["growth", ...(growth[0]?.sizes.map(count) ?? []), "target", "", "libsql"],
      ...growth.map(growthLine),
    ]),
    "",
    table([
      ["profile of this package", "log", "µs", "SQLite runs", "compiles", "exceptions", "JavaScript"],
      ...profiles.map(profileLine),
    ]),
    "",
    table([["ids", "per second", "target", ""], ...ulid.map(ulidLine)]),
  ].join("\n");
}

export function machineLines({ cpu, cores, memory, system, filesystem, versions }: Machine): string {
  const all = Object.entries(versions).map((entry) => entry.join(" "));
  return `${cpu}, ${cores} cores, ${memory}, ${system}, ${filesystem}\n${all.join(" · ")}`;
}

function emmettLine(versions: Machine["versions"], results: readonly Result[]): string {
  if (!versions["@event-driven-io/emmett-sqlite"]) return "Emmett was not measured.";
  return `Emmett is ahead on: ${aheadOfUs(results).join("; ") || "none"}.`;
}

/** Where Emmett is faster than this package. */
function aheadOfUs(results: readonly Result[]): string[] {
  return results.flatMap(({ row, size, entries }) => {
    const [ours, theirs] = [OURS, "Emmett"].map((stack) => entries.find((entry) => entry.stack === stack));
    if (!ours || !theirs || ours.absent || theirs.absent || theirs.ratio > ours.ratio) return [];
    return [`${row} (${count(size)})`];
  });
}

function ratioLine(result: Result): string[] {
  const [baseline, ours, hand, ...others] = ["libsql", OURS, BY_HAND, ...OTHERS].map((stack) => {
    return result.entries.find((entry) => entry.stack === stack);
  });
  const isBoth = ours && hand && !ours.absent && !hand.absent;
  const toHand = isBoth ? median(ratios(ours.milliseconds, hand.milliseconds)) : undefined;
  return [
    ...[result.row, count(result.size), duration(baseline), ratio(ours)],
    ...verdict(result.target, ours?.absent ? undefined : ours?.ratio),
    ...[ratio(hand), times(toHand), ...verdict(result.handTarget, toHand)],
    ...others.map(ratio),
    `${ours?.peak.toFixed(0)} (${baseline?.peak.toFixed(0)})`,
    String(result.rounds),
  ];
}

function plainLine({ row, size, target, rounds, entries: [hand, ours] }: Result): string[] {
  return [
    ...[row.replace(/^(plain Drizzle|proof): /, ""), count(size), duration(hand), ratio(ours)],
    ...[...verdict(target, ours!.absent ? undefined : ours!.ratio), String(rounds)],
  ];
}

/** The target, and whether it is met. */
function verdict(target: number | undefined, found: number | undefined): string[] {
  if (target === undefined) return ["", ""];
  return [`≤ ${target}`, found === undefined ? "" : found <= target ? "pass" : "OVER"];
}

function writersLine({ row, size, target = 0, entries }: Result): string[] {
  const [alone, together] = entries;
  const gain = 1 / together!.ratio;
  return [
    ...[row, count(size), rate(alone!), rate(together!), together!.absent ?? `${gain.toFixed(2)}×`],
    ...[`≥ ${target}×`, gain >= target ? "pass" : "UNDER"],
  ];
}

function growthLine({ row, target, factors }: Growth): string[] {
  const ours = factors[OURS] ?? [];
  return [
    ...[row, ...ours.map(times), `≤ ${target}×`, ours.at(-1)! <= target ? "pass" : "OVER"],
    (factors.libsql ?? []).map(times).join(" "),
  ];
}

function profileLine({ row, size, total, run, compile, exceptions }: Profile): string[] {
  const parts = [total, run, compile, exceptions, total - run - compile - exceptions];
  return [row, count(size), ...parts.map((part) => part.toFixed(0))];
}

function ulidLine({ name, rate, target }: UlidRate): string[] {
  const mark = target === undefined ? "" : rate >= target ? "pass" : "UNDER";
  return [name, count(Math.round(rate)), target === undefined ? "" : `≥ ${count(target)}`, mark];
}

function times(factor: number | undefined): string {
  return factor === undefined ? "" : `${factor.toFixed(2)}×`;
}

function ratio(entry: Entry | undefined): string {
  return entry ? (entry.absent ?? times(entry.ratio)) : "";
}

function rate(entry: Entry): string {
  return entry.absent ?? `${count(Math.round(1000 / entry.median))}/s`;
}

export function duration(entry: Entry | undefined): string {
  if (!entry || entry.absent) return entry?.absent ?? "";
  return entry.median < 1 ? `${(entry.median * 1000).toFixed(0)} µs` : `${entry.median.toFixed(1)} ms`;
}

export function count(n: number): string {
  if (n >= 1e6) return `${Number((n / 1e6).toFixed(1))}M`;
  return n >= 10_000 ? `${Math.round(n / 1000)}k` : String(n);
}

export function table([head, ...body]: string[][]): string {
  const lines = [head!, head!.map(() => "---"), ...body];
  const widths = head!.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`).join("\n");
}
