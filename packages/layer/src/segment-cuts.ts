/** Where a layer's tar is cut into segments, as far as it is known yet. */
export interface SegmentCuts {
  /** The first cut after `offset`; `Infinity` when there is none or it isn't known yet. Known for an entry before the entry's first byte is given. */
  after(offset: number): number;
}

/** Finds the cuts while entries go by, in order. */
export interface SegmentCutter extends SegmentCuts {
  /** An entry from `start` (its first header block) to `end` (its padding included). `name` gives what its header says (a character or element a byte), where that matters. */
  entry(start: number, end: number, name: () => string | Uint8Array): void;
}

/** Bytes a segment has at least when it ends between small entries. */
const MIN = 512 * 1024;
/** Expected bytes from there to the cut. */
const SPREAD = 512 * 1024;
/** A segment of small entries is cut at the next boundary past this. */
const MAX = 4 * 1024 * 1024;
/** Entries from this size on (with their header) are segments of their own, cut at multiples of it. Bytes. */
export const STEP: number = 1024 * 1024;

/**
 * Cuts at entry boundaries that the entries themselves choose, so that an entry that is added, grows or goes moves only the cuts near it: after
 * an entry with a probability in proportion to its size, drawn from its name.
 */
export function createSegmentCutter(): SegmentCutter {
  const cuts: number[] = [];
  let last = 0;
  const cut = (offset: number): void => {
    if (offset <= last) return;
    cuts.push(offset);
    last = offset;
  };
  return {
    entry(start, end, name) {
      const size = end - start;
      if (size >= STEP) {
        cut(start);
        for (let at = start + STEP; at < end; at += STEP) cut(at);
        cut(end);
        return;
      }
      const filled = end - last;
      if (filled >= MAX || (filled >= MIN && draw(name()) * SPREAD < size)) cut(end);
    },
    after: (offset) => firstAfter(cuts, offset),
  };
}

/** The cuts between segments that are known already. */
export function cutsOf(segments: readonly { readonly offset: number }[]): SegmentCuts {
  const cuts = segments.slice(1).map((segment) => segment.offset);
  return { after: (offset) => firstAfter(cuts, offset) };
}

function firstAfter(cuts: readonly number[], offset: number): number {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cuts[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return cuts[low] ?? Number.POSITIVE_INFINITY;
}

/** A number in [0, 1) that a name always gives (FNV-1a, its bits mixed once more). */
function draw(name: string | Uint8Array): number {
  let hash = 0x811c9dc5;
  if (typeof name === "string") for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  else for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
