import type { Action, ActionOf, Actions, DataOf, Event } from "./event.js";
import { checkFunction, InputError, isRecord, reading, shapeOf } from "./input-error.js";
import type { Steps } from "./steps.js";

/** Turns an old payload into the shape of today; it gets every payload of its action and knows the old ones. */
export type Upcasters<A extends Actions = Action> = {
  readonly [K in ActionOf<A>]?: (data: unknown) => DataOf<A, K>;
};

export interface UpcastOptions<A extends Actions = Action> {
  /** What makes old payloads the ones of today. What an upcaster throws is thrown. */
  upcasters?: Upcasters<NoInfer<A>>;
}

/** What the upcasters make of an event: a copy where there is one for its action. */
export function upcastOf(upcasters: unknown = {}): <E extends Event<any>>(event: E) => E {
  const upcasts = checkedFunctions(upcasters, "upcasters");
  return (event) => {
    const upcast = upcasts.get(reading("event", () => event.action));
    if (!upcast) return event;
    const copy = reading("event", () => ({ ...event }));
    return { ...copy, data: upcast(copy.data) };
  };
}

/** The same events, upcast. The upcasters are checked before the first step. */
export function upcasting<E extends Event<any>>(upcasters: unknown, steps: Steps<E[]>): Steps<E[]> {
  if (upcasters === undefined) return steps;
  const upcast = upcastOf(upcasters);
  return mapped();

  function* mapped(): Steps<E[]> {
    return (yield* steps).map(upcast);
  }
}

/** A copy; as a map, for an action may be called "constructor". */
export function checkedFunctions(table: unknown, field: string): Map<string, (...args: any[]) => any> {
  const entries = reading(field, () => {
    if (isRecord(table)) return Object.entries(table).filter(([, value]) => value != null);
    throw new InputError("INVALID_REDUCER", field, `must be an object, got ${shapeOf(table)}`);
  });
  for (const [action, value] of entries) checkFunction(value, "INVALID_REDUCER", `${field}.${action}`);
  return new Map(entries as [string, (...args: any[]) => any][]);
}
