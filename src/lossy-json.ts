import { InputError } from "./input-error.js";

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
// Longer than the plain digits of any double: nothing but needless zeros, or a number that is none.
const MAX_NUMBER = 400;
// Digits that any double holds: texts may be mostly such numbers, and to look at each by its decimals takes long.
const MAX_PLAIN = 15;

/**
 * Refuses an object's valid JSON text where JSON.parse would lose something: a number that it rounds, overflows
 * or takes the sign of, or a key that is there twice. The path of keys is kept, so that the place can be found
 * in a large document; its first key is the field.
 */
export function refuseLossyJson(text: string): void {
  const path: (string | number)[] = [];
  /** The keys of each object on the path; of an array none. */
  const keys: (Set<string> | undefined)[] = [];
  let key = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const top = path.length - 1;
    if (char === "{") {
      path.push("");
      keys.push(new Set());
    } else if (char === "[") {
      path.push(0);
      keys.push(undefined);
    } else if (char === "}" || char === "]") {
      path.pop();
      keys.pop();
    } else if (char === "," && typeof path[top] === "number") path[top]++;
    else if (char === ":") {
      const name = JSON.parse(key) as string;
      path[top] = name;
      if (keys[top]!.has(name)) refuse("DUPLICATE_KEY", "is there twice in one object", path);
      keys[top]!.add(name);
    } else if (char === '"') {
      const end = endOfString(text, i);
      key = text.slice(i, end + 1);
      i = end;
    } else if (char === "-" || (char >= "0" && char <= "9")) {
      const plain = endOfPlain(text, i);
      if (plain > i) {
        i = plain - 1;
        continue;
      }
      const [token] = numberAt(text, i);
      if (!isExact(token)) {
        refuse("INVALID_NUMBER", "holds a number that JavaScript would change", path);
      }
      i += token.length - 1;
    }
  }
}

function refuse(code: "DUPLICATE_KEY" | "INVALID_NUMBER", problem: string, path: (string | number)[]): never {
  const [field, ...inside] = path;
  throw new InputError(code, String(field), problem, inside);
}

function endOfString(text: string, start: number): number {
  for (let end = start; ; ) {
    end = text.indexOf('"', end + 1);
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/** Where a whole number ends that is so short that every double holds it; the start itself for any other. */
function endOfPlain(text: string, start: number): number {
  let end = start;
  for (let code = text.charCodeAt(end); code >= 48 && code <= 57; code = text.charCodeAt(end)) end++;
  return end - start > MAX_PLAIN || ".eE".includes(text[end] ?? " ") ? start : end;
}

function numberAt(text: string, start: number): RegExpExecArray {
  const number = /[-+.\deE]+/y;
  number.lastIndex = start;
  return number.exec(text)!;
}

function isExact(token: string): boolean {
  return token.length <= MAX_NUMBER && decimal(token) === decimal(String(Number(token)));
}

/** The one spelling of a decimal's value: sign, digits without outer zeros, exponent. */
function decimal(token: string): string | undefined {
  const match = NUMBER.exec(token);
  if (!match) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return `${sign}0`;
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}
