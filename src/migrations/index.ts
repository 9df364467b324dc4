export type { LogProblem } from "../migration-error.js";
export { checkLog, type LogReport, type MigrationOptions } from "./check-log.js";
export { migrateEvents } from "./migrate-events.js";
export { migrationStatements } from "./migration-statements.js";
export { migrationsTable } from "./plan.js";
