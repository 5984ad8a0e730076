/** Bytes of one piece at most, unless a piece was larger when it came. */
const SIZE = 64 * 1024;

/** Joins small pieces into larger ones: a layer of many small files would otherwise be a stream of headers, each awaited. */
export interface PieceGatherer {
  add(bytes: Uint8Array): void;
  /** The next piece that is complete. */
  take(): Uint8Array | undefined;
  /** Makes what is left a piece. */
  flush(): void;
}

/** Starts gathering. Pieces that are taken are never written to again. */
export function createPieceGatherer(): PieceGatherer {
  const complete: Uint8Array[] = [];
  let buffer = new Uint8Array(SIZE);
  let filled = 0;
  const flush = (): void => {
    if (filled === 0) return;
    complete.push(buffer.subarray(0, filled));
    buffer = new Uint8Array(SIZE);
    filled = 0;
  };
  return {
    add(bytes) {
      if (filled + bytes.length > SIZE) flush();
      if (bytes.length >= SIZE) complete.push(bytes);
      else {
        buffer.set(bytes, filled);
        filled += bytes.length;
      }
    },
    take: () => complete.shift(),
    flush,
  };
}
