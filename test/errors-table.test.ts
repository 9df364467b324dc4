import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as root from "drizzle-event-log";
import * as federation from "drizzle-event-log/federation";
import * as libsql from "drizzle-event-log/libsql";
import * as tracked from "drizzle-event-log/tracked";
import { expect, test } from "vitest";
import { errorCodes } from "./error-codes.js";

const table = readFileSync(join(import.meta.dirname, "../docs/errors.md"), "utf8");

/** The codes that each class has in the table. A row without a class belongs to the one before. */
function documented(): Map<string, string[]> {
  const byClass = new Map<string, string[]>();
  let codes: string[] = [];
  for (const [, name = "", cell = ""] of table.matchAll(/^\|([^|]*)\|([^|]*)\|/gm)) {
    const [, known] = /`(\w+Error)`/.exec(name) ?? [];
    if (known) {
      codes = [];
      byClass.set(known, codes);
    }
    codes.push(...Array.from(cell.matchAll(/`([A-Z][A-Z_]+)`/g), (match) => match[1]!));
  }
  return byClass;
}

test.each(Object.entries(errorCodes))(
  "docs/errors.md has each code of %s once, and no other",
  (name, codes) => {
    expect(documented().get(name)?.sort()).toEqual([...codes].sort());
  },
);

test("docs/errors.md has every class of error, and no other", () => {
  const doors = { ...root, ...federation, ...libsql, ...tracked };
  const classes = Object.keys(doors).filter((name) => name.endsWith("Error"));
  expect([...documented().keys()].sort()).toEqual(classes.sort());
  expect(classes.sort()).toEqual(Object.keys(errorCodes).sort());
});
