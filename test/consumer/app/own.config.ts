import { defineConfig } from "drizzle-kit";

// The app that leaves the events table to the package's own migrations.
export default defineConfig({ dialect: "sqlite", schema: "./notes.ts", out: "./own-migrations" });
