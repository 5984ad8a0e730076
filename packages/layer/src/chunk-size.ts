/**
 * Rows of one chunk of a column. Columns grow by whole chunks: doubling them would have the old and the new at once, and leave holes that the
 * allocator keeps, which at a million rows was a quarter of the memory.
 */
export const CHUNK_ROWS = 4096;
/** `row >>> CHUNK_SHIFT` is the chunk of a row: its number has 32 bits. */
export const CHUNK_SHIFT = 12;
/** `row & CHUNK_MASK` is its place in the chunk. */
export const CHUNK_MASK: number = CHUNK_ROWS - 1;

/** How many rows a chunk gets when `needed` of it are in use: the first grows by doubling, so that small trees stay small. */
export function chunkRows(chunk: number, needed: number): number {
  return chunk > 0 ? CHUNK_ROWS : Math.min(CHUNK_ROWS, Math.max(16, 2 ** Math.ceil(Math.log2(needed))));
}
