// The floor plan of src, run by `npm run floors`: the ground floor imports nothing, every other file stands one
// above the highest that it imports. Refuses imports that go in a circle, or up: from the core into a door's
// folder, from a door into the root's index or another door. Type-only imports count like others. And no file of
// src or examples has over 250 lines. Not by Biome: its rules take `./x.js` for another file than `x.ts`, and do
// not count the lines of comments.
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

const IMPORTS = /^(?:import|export)\b(?:[^;"]*\bfrom)?\s*"(\.[^"]*)";|\bimport\("(\.[^"]*)"/gm;
const MAX_LINES = 250;

const files = filesOf("src");
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const faults = [...circles(), ...files.flatMap(upward), ...tooLong("src"), ...tooLong("examples")];

if (faults.length > 0) {
  for (const fault of faults) console.error(fault);
  process.exit(1);
}

const floors: string[][] = [];
for (const file of files) {
  const floor = floorOf(file);
  floors[floor] ??= [];
  floors[floor].push(file.replace(/\.ts$/, ""));
}
for (const [floor, rooms] of [...floors.entries()].reverse()) {
  console.log(`${String(floor).padStart(2)}  ${rooms.join("  ")}`);
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".ts"))
    .sort();
}

function importsOf(file: string): string[] {
  const text = readFileSync(`src/${file}`, "utf8");
  const targets = Array.from(text.matchAll(IMPORTS), ([, from, dynamic]) => from ?? dynamic!);
  return targets.map((target) => {
    const path = posix.join(posix.dirname(file), target.replace(/\.js$/, ".ts"));
    if (!files.includes(path)) throw new Error(`src/${file} imports ${target}, which is not in src`);
    return path;
  });
}

/** Each circle as the way around it, told once. */
function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file);
    if (start >= 0) found.push(`circular: ${[...way.slice(start), file].join(" → ")}`);
    if (start >= 0 || done.has(file)) return;
    for (const target of imports.get(file)!) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

/** The imports of a file that leave the core, or a door, for what stands above or beside it. */
function upward(file: string): string[] {
  const door = posix.dirname(file);
  return imports
    .get(file)!
    .filter((target) => {
      const isRoof = file === "index.ts" && target === "cortex/index.ts";
      const isBelow = posix.dirname(target) === "." && (door === "." || target !== "index.ts");
      return posix.dirname(target) !== door && !isBelow && !isRoof;
    })
    .map((target) => `upward: ${file} imports ${target}`);
}

function floorOf(file: string): number {
  return Math.max(-1, ...imports.get(file)!.map(floorOf)) + 1;
}

function tooLong(folder: string): string[] {
  return filesOf(folder).flatMap((file) => {
    const lines = readFileSync(`${folder}/${file}`, "utf8").split("\n").length - 1;
    return lines > MAX_LINES ? [`too long: ${folder}/${file} has ${lines} lines`] : [];
  });
}
