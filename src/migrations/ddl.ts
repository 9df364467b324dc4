/** A schema's statement as words that mean the same in every way of writing it: names bare and in lower case. */
export function wordsOf(sql: string): string[] {
  return (sql.match(WORD) ?? []).filter((word) => !/^(?:\s|--|\/\*)/.test(word)).map(plain);
}

const WORD =
  /\s+|--[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d[\w.]*|<>|<=|>=|[!=]=|\|\||./g;

/** Turso Database keeps a statement in its own signs. */
const SIGNS: Record<string, string> = { "!=": "<>", "==": "=" };

function plain(word: string): string {
  if (word.startsWith("'")) return word;
  if (SIGNS[word]) return SIGNS[word];
  const quote = word[0] === "[" ? "]" : word[0]!;
  const isQuoted = word.length > 1 && `"\`]`.includes(quote);
  return (isQuoted ? word.slice(1, -1).replaceAll(quote + quote, quote) : word).toLowerCase();
}

/** What a table consists of, each part by its name. */
export interface TableParts {
  columns: Map<string, string>;
  checks: Map<string, string>;
  /** Constraints of other kinds. */
  others: string[];
}

/** The parts of a `CREATE TABLE`. */
export function partsOf(words: readonly string[]): TableParts {
  const parts: TableParts = { columns: new Map(), checks: new Map(), others: [] };
  for (const part of listed(words.slice(words.indexOf("(") + 1))) addPart(parts, part);
  return parts;
}

function addPart({ columns, checks, others }: TableParts, part: readonly string[]): void {
  const [name, rule] = part[0] === "constraint" ? [part[1]!, part.slice(2)] : ["", part];
  if (rule[0] === "check") checks.set(name || `check ${checks.size + 1}`, rule.slice(1).join(" "));
  else if (name || /^(?:primary|unique|foreign)$/.test(rule[0]!)) others.push(rule.join(" "));
  else columns.set(rule[0]!, columnOf(rule.slice(1).join(" ")));
}

/** `NOT NULL` may stand anywhere; of a primary key drizzle-kit 1.0 does not say it. */
function columnOf(definition: string): string {
  const [rest, isNotNull] = [definition.replace(/ ?\bnot null\b/, ""), /\bnot null\b/.test(definition)];
  return isNotNull && !/\bprimary key\b/.test(rest) ? `${rest} not null` : rest;
}

/** The parts of a list between parentheses, up to the one that closes it. */
function listed(words: readonly string[]): string[][] {
  const parts: string[][] = [[]];
  let depth = 0;
  for (const word of words) {
    if (word === "(") depth++;
    else if (word === ")" && depth-- === 0) return parts;
    if (word === "," && depth === 0) parts.push([]);
    else parts.at(-1)!.push(word);
  }
  return parts;
}

export interface NamedStatement {
  kind: "table" | "index" | "trigger" | undefined;
  /** The name of what it makes. */
  name: string;
  /** The statement's meaning apart from that name. */
  meaning: string;
}

/** What a `CREATE` statement makes. */
export function namedStatement(statement: readonly string[]): NamedStatement {
  const words = statement.at(-1) === ";" ? statement.slice(0, -1) : statement;
  const at = words.findIndex((word) => word === "table" || word === "index" || word === "trigger");
  const ifNotExists = words.slice(at + 1, at + 4).join(" ") === "if not exists" ? 3 : 0;
  const name = words[at + 1 + ifNotExists] ?? "";
  const kind = words[0] === "create" ? (words[at] as NamedStatement["kind"]) : undefined;
  const meaning = [...words.slice(0, at + 1), ...words.slice(at + 2 + ifNotExists)].join(" ");
  // A trigger's message names the table, in capital letters or not.
  return { kind, name, meaning: kind === "trigger" ? meaning.toLowerCase() : meaning };
}
