/** Keeps the end of a step's output, for its error. */
export interface OutputTail {
  add(chunk: Uint8Array): void;
  /** The last lines, the longest cut. */
  lines(): readonly string[];
}

const LINES = 20;
const KEPT = 16 * 1024;

/** Creates an {@link OutputTail}. */
export function createOutputTail(): OutputTail {
  let kept = Buffer.alloc(0);
  return {
    add(chunk) {
      kept = Buffer.concat([kept, chunk]);
      if (kept.length > 2 * KEPT) kept = Buffer.from(kept.subarray(kept.length - KEPT));
    },
    lines() {
      const text = kept.toString("utf8").replace(/\n$/, "");
      return text === ""
        ? []
        : text
            .split("\n")
            .slice(-LINES)
            .map((line) => line.replace(/\r$/, "").slice(0, 500));
    },
  };
}
