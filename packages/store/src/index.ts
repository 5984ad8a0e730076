export type { Lock, Ref, Store } from "./store.ts";
