import type { ByteStream } from "@varve/bytes";
import type { ChangeSet, ContentReader, FileTree, LayerIndex } from "@varve/layer";
import type { DiffID, IOOptions } from "@varve/oci";

/** A layer to stack: its diffID and, when it must be unpacked, its uncompressed tar. */
export interface StackedLayer {
  readonly diffID: DiffID;
  openTar(options?: IOOptions): Promise<ByteStream>;
  /** Its stored index. Where layers have none and more than one is not unpacked yet, the whole tree is unpacked as one. */
  index?(options?: IOOptions): Promise<LayerIndex>;
}

/** A mount of RUN, resolved. `target` is absolute in the root. */
export type RunMountSource =
  | {
      readonly kind: "bind";
      readonly target: string;
      readonly readonly: boolean;
      readonly tree: FileTree;
      readonly reader: ContentReader;
      readonly source: string;
    }
  | {
      readonly kind: "cache";
      readonly target: string;
      readonly id: string;
      readonly sharing: "shared" | "private" | "locked";
      readonly readonly: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly from?: { readonly tree: FileTree; readonly reader: ContentReader; readonly source: string };
    }
  /** A file or directory of the host itself, for `varve run`. */
  | { readonly kind: "host"; readonly target: string; readonly readonly: boolean; readonly source: string }
  | { readonly kind: "tmpfs"; readonly target: string; readonly size?: number }
  | { readonly kind: "file"; readonly target: string; readonly content: Uint8Array; readonly mode: number; readonly uid: number; readonly gid: number }
  | { readonly kind: "ssh"; readonly target: string; readonly agentSocket: string; readonly mode: number; readonly uid: number; readonly gid: number };

/** One process on a writable copy of a stack of layers. */
export interface RunStep extends IOOptions {
  readonly layers: readonly StackedLayer[];
  /** The merged tree of `layers`: the truth about ownership. */
  readonly tree: FileTree;
  /** Tells digests of contents of `tree` that carry none; without it a file that was written again with the same bytes may count as changed. */
  readonly treeReader?: ContentReader;
  readonly args: readonly string[];
  /** Complete: the process gets these and nothing else. */
  readonly env: readonly string[];
  /** Absolute; made when missing. */
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly network: "default" | "none" | "host";
  readonly insecure: boolean;
  readonly hostname: string;
  readonly extraHosts: readonly { readonly host: string; readonly address: string }[];
  /** Bytes of /dev/shm. */
  readonly shmSize?: number;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly mounts: readonly RunMountSource[];
  /** Called in order, never dropped; a slow consumer slows the process down. */
  readonly onOutput?: (stream: "stdout" | "stderr", chunk: Uint8Array) => void | Promise<void>;
  /** `inherit`: the runner's streams; `terminal`: they are a terminal, which the process gets for its session. */
  readonly stdio: "capture" | "inherit" | "terminal";
}

/** How a process ended, and what it changed. Dispose to free the root filesystem; contents can't be read after that. */
export interface RunOutcome extends AsyncDisposable {
  /** 128 + signal number when a signal ended it. */
  readonly exitCode: number;
  readonly signal?: string;
  /** Compared with `tree`; parents of changed paths not yet added. */
  changes(options?: IOOptions): Promise<ChangeSet>;
  /** Opens `snapshot` refs of `changes()`. */
  readonly reader: ContentReader;
  /**
   * Keeps what the step changed as the unpacked form of a new layer on top of the step's layers, so that a step on top of it need not unpack it. Call it
   * last, with the diffID of the layer written from `changes()`; contents can't be read after.
   */
  keep(diffID: DiffID): Promise<void>;
  /** What this rung could not do as Docker would, one sentence each (e.g. owners flattened); what `changes()` finds of that is added by it. */
  readonly losses: readonly string[];
}

/** Runs steps; one a build. Starts its helper process at the first `run`. Safe to use concurrently. */
export interface Runner extends AsyncDisposable {
  /** The rung in use, e.g. `namespace`; probed at the first call. */
  rung(options?: IOOptions): Promise<string>;
  /** Resolves when the process ended, whatever its exit code. Throws SANDBOX_* when it could not be started. */
  run(step: RunStep): Promise<RunOutcome>;
}
