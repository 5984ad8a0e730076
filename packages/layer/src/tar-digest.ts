import { createSha256 } from "@varve/archive";
import { digestFromHex, type DiffID, parseDiffID } from "@varve/oci";
import type { Segment } from "./layer-index.ts";
import type { SegmentCuts } from "./segment-cuts.ts";

/** Hashes a tar as it goes by: whole, and by segments. */
export interface TarDigest {
  /** The next bytes of the tar. */
  push(bytes: Uint8Array): void;
  /** Says that the cuts up to `offset` are known. */
  settle(offset: number): void;
  /** The segments that are whole so far; grows. */
  readonly segments: readonly Segment[];
  finish(): { readonly diffID: DiffID; readonly size: number; readonly segments: readonly Segment[] };
}

/** Starts hashing. Bytes that were pushed but not settled are held: a few pieces, when entries are settled as they come. */
export function createTarDigest(cuts: SegmentCuts): TarDigest {
  const whole = createSha256();
  const segments: Segment[] = [];
  const held: Uint8Array[] = [];
  let segment = createSha256();
  let start = 0;
  let hashed = 0;
  let size = 0;
  const close = (): void => {
    segments.push({ offset: start, size: hashed - start, digest: digestFromHex(segment.hex()) });
    segment = createSha256();
    start = hashed;
  };
  const hash = (bytes: Uint8Array): void => {
    let rest = bytes;
    for (let cut = cuts.after(start); hashed + rest.length >= cut; cut = cuts.after(start)) {
      segment.update(rest.subarray(0, cut - hashed));
      rest = rest.subarray(cut - hashed);
      hashed = cut;
      close();
    }
    segment.update(rest);
    hashed += rest.length;
  };
  const settle = (offset: number): void => {
    for (let first = held[0]; first !== undefined; first = held[0]) {
      const now = Math.min(first.length, offset - hashed);
      if (now <= 0) return;
      if (now === first.length) held.shift();
      else held[0] = first.subarray(now);
      hash(first.subarray(0, now));
    }
  };
  return {
    push(bytes) {
      if (bytes.length === 0) return;
      whole.update(bytes);
      size += bytes.length;
      held.push(bytes);
    },
    settle,
    segments,
    finish() {
      settle(size);
      if (hashed > start) close();
      return { diffID: parseDiffID(`sha256:${whole.hex()}`), size, segments };
    },
  };
}
