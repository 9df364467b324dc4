import { styleText } from "node:util";

/** A style where the output is a terminal that has colours, and nobody has set NO_COLOR. */
export function styled(style: Parameters<typeof styleText>[0], text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(style, text) : text;
}

/** Names from elsewhere are anyone's: none may steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}
