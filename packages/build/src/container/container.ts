import type { Descriptor, DiffID, RuntimeConfig } from "@varve/oci";

/**
 * A command that ran in a copy of an image, and what that changed. There is no process to come back to and no directory: what is left is a layer, which
 * `varve commit` makes an image of.
 */
export interface Container {
  readonly version: 1;
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** The image's full reference, as it was when the command started. */
  readonly image: string;
  /** Of the image's manifest. */
  readonly manifest: Descriptor;
  /** The image's, with what the command line put in its place. */
  readonly config: RuntimeConfig;
  readonly command: readonly string[];
  /** RFC 3339. */
  readonly created: string;
  /** Absent while the command runs, and when whoever ran it was killed. */
  readonly end?: ContainerEnd;
}

/** How a container's command ended. */
export interface ContainerEnd {
  /** RFC 3339. */
  readonly at: string;
  /** 128 + the signal's number when a signal ended it. */
  readonly exitCode: number;
  /** What it changed; absent when nothing. */
  readonly layer?: { readonly diffID: DiffID; readonly blob: Descriptor };
}

/** `running` while its process lives, `dead` when that was killed before it could tell what changed. */
export type ContainerState = "running" | "exited" | "dead";
