import { formatBytes } from "./options/quantities.ts";

/** Lines about blobs that are moved by a copy. */
export interface TransferLog {
  readonly onProgress: (event: TransferEvent) => void;
  /** `3 blobs (1.2MB), 4 already there`. */
  summary(): string;
}

/** What copyGraph tells. */
export type TransferEvent = Parameters<NonNullable<NonNullable<Parameters<typeof import("@varve/image").copyGraph>[3]>["onProgress"]>>[0];
