import type { Action } from "drizzle-event-log";
import { createEventsTable } from "drizzle-event-log/schema";

export { consumers, events } from "drizzle-event-log/schema";
export { notes } from "./notes.js";

export const memoryEvents = createEventsTable<Action | "publish">("memory_events");
