import { InputError, isRecord, reading, shapeOf } from "../input-error.js";
import { isPending } from "../steps.js";
import { disregard } from "../wait.js";

/**
 * What this package needs of a validator by the Standard Schema specification, version 1: Zod, Valibot, ArkType
 * and others are one.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Input = any, Output = any> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => ValidationResult<Output> | Promise<ValidationResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type ValidationResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

export type InputOf<S> = S extends StandardSchema<infer Input, any> ? Input : never;
export type OutputOf<S> = S extends StandardSchema<any, infer Output> ? Output : never;

export function checkSchemas(schemas: unknown): void {
  if (schemas === undefined) return;
  const broken = reading("schemas", () => {
    if (isRecord(schemas)) return Object.entries(schemas).find(([, schema]) => !isSchema(schema));
    throw new InputError("INVALID_SCHEMA", "schemas", `must be an object, got ${shapeOf(schemas)}`);
  });
  if (broken) {
    const problem = "must be a Standard Schema, such as Zod makes";
    throw new InputError("INVALID_SCHEMA", `schemas.${broken[0]}`, problem);
  }
}

function isSchema(schema: unknown): boolean {
  return typeof Object(Object(schema)["~standard"]).validate === "function";
}

/** The validator's output. The place of its first issue is told, its text is not: that may quote the data. */
export function validate(schema: StandardSchema, data: unknown, field: string): unknown {
  const result = schema["~standard"].validate(data);
  if (isPending(result)) {
    disregard(result);
    throw new InputError(
      "ASYNC_SCHEMA",
      field,
      "has a schema that validates asynchronously, which an append cannot",
    );
  }
  if (!result.issues) return result.value;
  const path = Array.from(result.issues[0]?.path ?? [], (step) => {
    const key = typeof step === "object" ? step.key : step;
    return typeof key === "number" ? key : String(key);
  });
  const problem = `does not fit the schema of its action (${result.issues.length} issues)`;
  throw new InputError("INVALID_DATA", field, problem, path);
}
