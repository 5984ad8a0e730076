export { openStore, type OpenStoreOptions } from "./open-store.ts";
export { type ProcessIdentity, processIdentity, processState } from "./process-identity.ts";
export type { Lock, Ref, Store } from "./store.ts";
