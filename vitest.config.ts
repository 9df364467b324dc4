import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const src = (file: string) => fileURLToPath(new URL(`./src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^drizzle-event-log$/, replacement: src("index.ts") },
      { find: /^drizzle-event-log\/(schema|migrations\/folder)$/, replacement: src("$1.ts") },
      {
        find: /^drizzle-event-log\/(cortex|federation|libsql|migrations|tracked)$/,
        replacement: src("$1/index.ts"),
      },
    ],
  },
  test: { include: ["test/**/*.test.ts"], testTimeout: 60_000 },
});
