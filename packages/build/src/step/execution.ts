import type { Dockerfile } from "@varve/dockerfile";
import type { Codec } from "@varve/archive";
import type { CacheBackend } from "@varve/cache";
import type { BuildContext, RemoteMemory } from "@varve/context";
import type { ContentReader, FileTree } from "@varve/layer";
import type { Digest, DiffID, GrowingBlob, IOOptions, Platform } from "@varve/oci";
import type { Runner } from "@varve/snapshot";
import type { Flock, Store } from "@varve/store";
import type { BaseImages } from "../base/base-images.ts";
import type { BuilderArgs } from "../builder-args.ts";
import type { BuildOptions } from "../build-options.ts";
import type { EarlyUploads } from "../output/early-uploads.ts";
import type { StepEvents } from "../events.ts";
import type { LayerStack, StackLayer, StackTrees } from "../layer-stack.ts";

/** What every step of a build works with; shared by all platforms. */
export interface Execution {
  readonly options: BuildOptions;
  /** What build arguments say of how to build. */
  readonly builderArgs: BuilderArgs;
  readonly store: Store;
  readonly cache: CacheBackend;
  /** What steps of the same outline made the last time: unchanged segments of those layers need no compression. */
  readonly latest: CacheBackend;
  readonly images: BaseImages;
  /** Aborted when the build is cancelled or another step failed. */
  readonly signal: AbortSignal;
  readonly trees: StackTrees;
  /** Reads files out of any layer that was registered. */
  readonly layerReader: ContentReader;
  /** Layers by diffID, for `layerReader`. */
  readonly layers: Map<DiffID, StackLayer>;
  /** Contexts by name, `""` is the main one; opened when first asked for. */
  context(name: string): Promise<BuildContext>;
  /** The one runner of the build, started when first asked for. */
  runner(): Promise<Runner>;
  /** Ends it, if it was started, once no step is left; what asks for it again starts another. */
  endRunner(): Promise<void>;
  /** Locks files of the store that only steps wait for. */
  readonly flock: Flock;
  /** Steps being carried out, by cache key: equal steps of several platforms are one. */
  readonly running: Map<Digest, Promise<LayerOutcome>>;
  /** What the sandbox could not do as Docker would, and was told of a step already. */
  readonly toldLosses: Set<string>;
  /** Layers on their way to a registry already. */
  readonly uploads: EarlyUploads;
  /** Compression, cache records: awaited before the build ends. */
  readonly background: Promise<unknown>[];
  /** What earlier builds found out about URLs and repositories. */
  readonly remotes: RemoteMemory;
  /** Folder for what must be on disk during the build. */
  readonly spool: string;
  /** What layers are compressed with. */
  readonly codec: Codec;
  /** Milliseconds since the epoch, for what is made now: the epoch asked for, else the build's start. */
  readonly now: number;
  /** Of this machine. */
  readonly platform: Platform;
}

/** The layer a step gave. */
export interface LayerOutcome {
  readonly layer: StackLayer;
  /** RFC 3339; of a cached step, when it was made. */
  readonly created: string;
  readonly cached: boolean;
}

/** What a vertex stands for once it is done. */
export type VertexResult =
  | {
      readonly kind: "stack";
      readonly stack: LayerStack;
      /** Of the step itself; absent for images and scratch. */ readonly created?: string;
      readonly cached?: boolean;
    }
  | { readonly kind: "context"; readonly context: BuildContext };

/** A step's way to its inputs and its listener. */
export interface StepScope {
  readonly execution: Execution;
  readonly events: StepEvents;
  readonly io: IOOptions;
  /** Whether another step goes on from the result. */
  readonly isAwaited: boolean;
  /** Told of the step's layer while it is written, where that is to be pushed. */
  readonly onGrowing?: (layer: GrowingBlob) => void;
  /** What errors about a word of it point into. */
  readonly dockerfile: Dockerfile;
}

/** Registers the layers of a stack, so that contents can be read out of them. */
export function registerStack(execution: Execution, stack: LayerStack): LayerStack {
  for (const layer of stack.layers) if (!execution.layers.has(layer.diffID)) execution.layers.set(layer.diffID, layer);
  return stack;
}

/** A result as a tree and the reader of its contents. */
export async function openResult(scope: StepScope, result: VertexResult): Promise<{ readonly tree: FileTree; readonly reader: ContentReader }> {
  if (result.kind === "context") return { tree: await result.context.tree(scope.io), reader: result.context.reader };
  return { tree: await scope.execution.trees.tree(result.stack, scope.io), reader: scope.execution.layerReader };
}
