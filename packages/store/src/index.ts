export { openStore, type OpenStoreOptions } from "./open-store.ts";
export type { Lock, Ref, Store } from "./store.ts";
