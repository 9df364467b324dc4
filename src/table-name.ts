import { InputError } from "./input-error.js";

export function checkTableName(name: unknown): asserts name is string {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    // Without the value's shape: what tells it would be a seventh of the schema's door.
    throw new InputError("INVALID_TABLE_NAME", "name", "must be text that matches [A-Za-z_][A-Za-z0-9_]*");
  }
}
