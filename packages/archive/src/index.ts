export type { TarEntryType, TarHeader } from "./tar-entry.ts";
