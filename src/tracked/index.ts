export type { ActionNames, TrackOptions } from "./definition.js";
export type { JsonOf } from "./json-value.js";
export type { ChangeOptions, Recorder } from "./record.js";
export { type Changes, changes, type RowData, rowData } from "./row-data.js";
export { track } from "./track.js";
export { TrackError, type TrackErrorCode, trackErrorCodes } from "./track-error.js";
export type {
  ActionsOf,
  InsertValues,
  JoinedActions,
  RestoreOptions,
  TrackedActions,
  TrackedEvent,
  TrackedMutation,
  TrackedTable,
  UpdateValues,
} from "./tracked-table.js";
