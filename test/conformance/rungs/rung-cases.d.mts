/** A Dockerfile whose result must be the same on every rung. */
export interface RungCase {
  readonly name: string;
  readonly dockerfile: string;
  /** The steps give files to other users, which rungs with one id can't keep. */
  readonly owners?: boolean;
  /** Paths that tell of supplementary groups, which rungs with one id don't have. */
  readonly apart?: readonly string[];
  /** Paths that tell of file capabilities, which proot says it sets where it may not. */
  readonly capabilities?: readonly string[];
  /** Starts programs by posix_spawn and wants memory afterwards: crashes on proot where that is told as a loss. */
  readonly spawns?: boolean;
  /** Paths of files that were renamed while their owner might not write to them, whose modes proot changes. */
  readonly renamed?: readonly string[];
  /** Part of the message it must fail with. */
  readonly fails?: string;
}

/** On the busybox base `bb`. */
export const SMALL_CASES: readonly RungCase[];

/** On `bb` too, for the long run. */
export const WIDE_CASES: readonly RungCase[];

/** On `bb`: what rungs differ in, or may. */
export const PREDICTED_CASES: readonly RungCase[];
