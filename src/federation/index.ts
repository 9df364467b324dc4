export { type Accepted, type AcceptOptions, accept, type Verify } from "./accept.js";
export { type HttpPeerOptions, httpPeer } from "./http-peer.js";
export { type MissingOptions, missing } from "./missing.js";
export { databasePeer, type Peer } from "./peer.js";
export { PeerError, type PeerErrorCode, peerErrorCodes } from "./peer-error.js";
export { type PullOptions, pull } from "./pull.js";
export { type SalvageOptions, type SalvageReport, salvage } from "./salvage.js";
export { type ServeOptions, serveLog } from "./serve-log.js";
export type { PullReport, Refusal } from "./taking.js";
