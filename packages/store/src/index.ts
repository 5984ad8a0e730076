export type { OpenBlob } from "./blob-reader.ts";
export { replaceDurably } from "./durable-file.ts";
export { openStore, type OpenStoreOptions } from "./open-store.ts";
export { type ProcessIdentity, processIdentity, processState } from "./process-identity.ts";
export type { UnleasedOptions } from "./lease.ts";
export type { Flock } from "./file-lock.ts";
export type { Lock, Ref, Store, StoredFile, StoredKind } from "./store.ts";
