// Quoted names, texts and comments, which may hold anything; then parameters.
const TOKENS = /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|\?\d*|[:@$][\w$\u0080-\uffff]+/g;

/**
 * Whether each parameter of a statement has a name, as SQLite numbers them: one that has none aborts the process
 * when it is given named arguments. `?3` names itself, and leaves those before it without a name.
 */
export function areNamed(sql: string): boolean {
  const numbers = new Map<string, number>();
  let last = 0;
  for (const [token] of sql.matchAll(TOKENS)) {
    if (!/^[?:@$]/.test(token) || numbers.has(token)) continue;
    if (token === "?") return false;
    const number = token[0] === "?" ? Number(token.slice(1)) : last + 1;
    numbers.set(token, number);
    last = Math.max(last, number);
  }
  return new Set(numbers.values()).size === last;
}
