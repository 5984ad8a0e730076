import { createHash } from "node:crypto";
import type { OwningReader } from "@varve/context";
import { type Digest, digestFromHex } from "@varve/oci";
import type { Selected } from "../copy/selection.ts";

/** One source of a COPY or ADD, selected and digested. */
export interface TransferInput extends AsyncDisposable {
  selected(): Promise<readonly Selected[]>;
  /** Whether files of it are extracted when they are archives. */
  readonly unpack: boolean;
  /** Readers of contents that no layer holds. */
  readonly readers: readonly OwningReader[];
  /** Of all that is read of it; where that is files, they are read for it unless they were before. */
  digest(): Promise<Digest>;
}

/** Whether an option was not given, or is empty once it was expanded. */
export function isUnset(value: string | undefined): boolean {
  return value === undefined || value === "";
}

/** sha256 of texts, each with its length before it. */
export function combined(...texts: readonly string[]): Digest {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}`);
  return digestFromHex(hash.digest("hex"));
}
