import type { BytePath, ByteStream } from "@varve/bytes";
import type { IncomingCall } from "../channel/channel.ts";
import type { PrepareParams } from "./helper-call.ts";
import type { StepExtras } from "./step-extras.ts";
import type { RunStepOptions, StepEnd, StepProcess } from "./step.ts";
import type { UpperEntry } from "./upper-entry.ts";

/** What a caller says about how a step is run; the rest is its root's business. */
export type StepIO = Pick<RunStepOptions, "output" | "signal" | "inherit">;

/** The root filesystem of one step. */
export interface StepRoot {
  /** The step's own directory, for what is made for it; gone with the root. */
  readonly directory: string;
  /** Host path that paths of candidates are below. */
  readonly contents: BytePath;
  readonly extras: StepExtras;
  /** Runs the step; it is over, and all its processes dead, when this settles. */
  run(process: StepProcess, io: StepIO): Promise<StepEnd>;
  /** Everything that may have changed, parents first, without extended attributes. */
  candidates(signal: AbortSignal): AsyncIterable<UpperEntry>;
  /** Opens a candidate for reading; the caller closes the descriptor. */
  open(path: BytePath): number;
  /** Makes what the step left, once it was listed, the snapshot `name`. */
  keep(name: string): Promise<void>;
  release(): Promise<void>;
}

/** A way to make root filesystems: by overlays, or flat. */
export interface StepRoots {
  /** A root of the snapshots that `params` names; `stubs` is a write stream of what its mounts need to be there. */
  prepare(params: PrepareParams, stubs: ByteStream, signal: AbortSignal): Promise<StepRoot>;
  /** Frees what was made for a step that was never prepared. */
  abandon(step: string): Promise<void>;
  /** Answers calls of this way only. */
  answer(call: IncomingCall): Promise<unknown>;
  dispose(): Promise<void>;
}
