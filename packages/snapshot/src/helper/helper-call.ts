import type { BytePath } from "@varve/bytes";
import type { Digest } from "@varve/oci";
import type { Ids, SandboxMount } from "@varve/sandbox";
import type { StepEnd, StepProcess } from "./step.ts";
import type { UpperEntry } from "./upper-entry.ts";

/** The helper's descriptor of the channel. */
export const CHANNEL = 5;
/** The main process's own standard streams, for `varve run`. */
export const INHERITED = [6, 7, 8] as const;

/** What rungs without mounts differ in. */
export interface RungPowers {
  /** Capabilities that a step gives to files are kept. */
  readonly fileCapabilities: boolean;
  /** What is mounted read-only cannot be written to. */
  readonly readonlyMounts: boolean;
  /** Files of secrets are in memory while a step runs. */
  readonly secretsInMemory: boolean;
}

/** First call: opens the workspace below `directory` (host path, made when missing) for a rung. */
export interface OpenParams {
  readonly directory: string;
  readonly cacheMounts: string;
  readonly driver: string;
}
export interface OpenResult extends RungPowers {
  readonly losses: readonly string[];
  readonly ids: Ids;
  /** Snapshots can hold the marks of deleted files. */
  readonly whiteouts: boolean;
  /** What a step changed can be kept as a snapshot, and the root filesystem of the next prepared meanwhile. */
  readonly keeps: boolean;
}

/** Which of these snapshots have to be unpacked first. */
export interface MissingParams {
  readonly names: readonly string[];
}
export interface MissingResult {
  readonly names: readonly string[];
}

/** Makes a snapshot from the write stream in the call's input. */
export interface UnpackParams {
  readonly name: string;
}

/** Flat roots: takes the last of these snapshots that is there, or an empty directory, for a step. */
export interface ClaimParams {
  readonly step: string;
  readonly names: readonly string[];
}
export interface ClaimResult {
  /** Of the name that was taken; -1 for none. */
  readonly index: number;
}
/** Flat roots: merges the input's write stream into a claimed root, which is the snapshot `name` after that. */
export interface FillParams {
  readonly step: string;
  readonly name: string;
}

/**
 * Makes a root filesystem: snapshots (lowest first) below what the input's write stream holds (mount targets), below an empty upper directory; and files
 * to be mounted in it.
 */
export interface PrepareParams {
  readonly step: string;
  readonly snapshots: readonly string[];
  /** Names what is in the input's stream: overlays need that once. */
  readonly stubs: string;
  /** The root directory itself, which the upper directory must show unchanged. */
  readonly root: { readonly mode: number; readonly uid: number; readonly gid: number; readonly mtime: number };
  readonly files: readonly FileParams[];
}
export interface PrepareResult {
  /** In the order of the parameters. */
  readonly files: readonly FileResult[];
}

/** Unpacks the input's write stream to be mounted in a step, and thrown away with it: a directory (entry `""`), or the single file `f`. */
export interface CopyParams {
  readonly step: string;
  readonly file: boolean;
}
/** A small file that stays in memory where it can. `content` is base64. */
export interface FileParams {
  readonly content: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
/** A cache directory, locked as `sharing` says until the step is released; a new one is filled from the input when `filled`. */
export interface CacheParams {
  readonly step: string;
  readonly id: string;
  readonly sharing: "shared" | "private" | "locked";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly filled: boolean;
}
/** A socket that leads to an agent's. */
export interface AgentParams {
  readonly step: string;
  readonly agentSocket: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
/** Where what was asked for is, on the host, as bytes. */
export interface PlaceResult {
  readonly path: BytePath;
}
/** Where a small file is. */
export interface FileResult extends PlaceResult {
  /** It reaches no disk. */
  readonly inMemory: boolean;
}

/** Runs a process on a prepared root; output streams are 1 and 2. */
export interface RunParams {
  readonly step: string;
  readonly process: Omit<StepProcess, "mounts"> & { readonly mounts: readonly SandboxMount[] };
  readonly inherit: boolean;
  /** Lists what it changed at once, where that is little. */
  readonly list: boolean;
}
export interface RunResult extends StepEnd {
  /** All candidates, where they are few; only of a process that ended well. */
  readonly listed?: readonly ListedEntry[];
}
/** A candidate, and what is in it, in base64, where that is short. */
export type ListedEntry = UpperEntry & { readonly content?: string };

/** Lists the upper directory: output is JSON arrays of `UpperEntry`. */
export interface ListParams {
  readonly step: string;
}
/** Output is the bytes of a file of the upper directory. */
export interface ReadParams {
  readonly step: string;
  readonly path: BytePath;
}
/** sha256 of files of the upper directory, in order. */
export interface DigestParams {
  readonly step: string;
  readonly paths: readonly BytePath[];
}
export interface DigestResult {
  readonly digests: readonly Digest[];
}
/** Makes what a step changed the snapshot `name`. */
export interface KeepParams {
  readonly step: string;
  readonly name: string;
}
/** Frees a step's root filesystem. */
export interface ReleaseParams {
  readonly step: string;
}
