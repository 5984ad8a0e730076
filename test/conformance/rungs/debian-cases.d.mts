import type { RungCase } from "./rung-cases.mjs";

/** On a Debian base `debian`, with contexts `node` and `certificates`. */
export const DEBIAN_CASES: readonly RungCase[];
