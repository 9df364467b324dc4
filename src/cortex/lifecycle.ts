export type TraceState = "none" | "active" | "archived" | "trashed" | "gone";

const TRANSITIONS: Readonly<Record<string, Partial<Record<TraceState, TraceState>>>> = {
  create: { none: "active" },
  archive: { active: "archived" },
  unarchive: { archived: "active" },
  trash: { active: "trashed", archived: "trashed" },
  recover: { trashed: "active" },
  purge: { trashed: "gone" },
};

/** The actions that move a trace to another state; every other action keeps the state. */
export const transitions: readonly string[] = Object.keys(TRANSITIONS);

/** The state of a trace whose last transition is this one. */
export function stateAfter(transition: string | null): TraceState {
  if (transition === null) return "none";
  return Object.values(TRANSITIONS[transition] ?? {})[0] ?? "none";
}

/** The state that an action leads to, or undefined where the action is not possible. */
export function nextState(state: TraceState, action: string): TraceState | undefined {
  const transition = Object.hasOwn(TRANSITIONS, action) ? TRANSITIONS[action] : undefined;
  if (transition) return transition[state];
  return state === "none" || state === "gone" ? undefined : state;
}
