import type { ContentReader } from "@varve/layer";
import type { RunOutcome } from "@varve/snapshot";
import { createCompositeReader } from "../composite-reader.ts";

/** Reads what a process changed, and by `below` what it left as it was. */
export function outcomeReader(outcome: RunOutcome, below: ContentReader): ContentReader {
  return createCompositeReader([{ ...outcome.reader, owns: (ref) => ref.kind === "snapshot" }], below);
}
