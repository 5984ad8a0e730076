import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { chainIDs, diffTrees, EMPTY_TREE, type FileTree, mergeLayer } from "@varve/layer";
import { digestHex, type DiffID, type IOOptions } from "@varve/oci";
import type { Channel } from "./channel/channel.ts";
import type { MissingParams, MissingResult, UnpackParams } from "./helper/helper-call.ts";
import type { StackedLayer } from "./runner.ts";
import { layerWriteStream } from "./unpack/layer-unpack.ts";

/** Unpacked layers of a workspace, as the main process asks for them. */
export interface SnapshotStacks {
  /** Names of the snapshots that make up a stack of layers, lowest first; those that are not there yet are unpacked. */
  prepare(stack: LayerStackOfStep, options?: IOOptions): Promise<readonly string[]>;
  /** Told of a snapshot that a step has made. */
  made(name: string): void;
}

/** What a step runs on. */
export interface LayerStackOfStep {
  readonly step: string;
  readonly layers: readonly StackedLayer[];
  /** The merged tree of the layers. */
  readonly tree: FileTree;
}

/** The names of the unpacked differences of a stack of layers, lowest first. */
export function chainNames(layers: readonly Pick<StackedLayer, "diffID">[]): string[] {
  return chainIDs(layers.map((layer) => layer.diffID)).map(digestHex);
}

/** The name of the unpacked difference a layer makes, given the chain it ends. */
export function snapshotName(diffIDs: readonly DiffID[]): string {
  const chain = chainIDs(diffIDs).at(-1);
  if (chain === undefined) throw new VarveError("SNAPSHOT_APPLY_FAILED", "an empty stack has no snapshot");
  return digestHex(chain);
}

/** Creates the stacks of a helper's workspace. */
export function createSnapshotStacks(channel: Channel, features: { readonly whiteouts: boolean }): SnapshotStacks {
  const unpacking = new Map<string, Promise<void>>();

  /** Whether a snapshot is there, of those that were asked for: what is there stays while the build's lease does, and what another build makes is not needed. */
  const known = new Map<string, boolean>();
  const missingOf = async (names: readonly string[], options: IOOptions): Promise<ReadonlySet<string>> => {
    const asked = names.filter((name) => !known.has(name));
    if (asked.length === 0) return new Set(names.filter((name) => known.get(name) !== true));
    const result = (await channel.call("missing", { names: asked } satisfies MissingParams, { signal: options.signal })) as MissingResult;
    for (const name of asked) known.set(name, true);
    for (const name of result.names) known.set(name, false);
    return new Set(names.filter((name) => known.get(name) !== true));
  };
  // two steps on one base must not unpack it twice
  const unpack = async (name: string, content: () => ByteStream, options: IOOptions): Promise<void> => {
    const running = unpacking.get(name) ?? channel.call("unpack", { name } satisfies UnpackParams, { input: content(), signal: options.signal }).then(() => {});
    unpacking.set(name, running);
    try {
      await running;
      known.set(name, true);
    } finally {
      unpacking.delete(name);
    }
  };

  return {
    async prepare({ layers, tree }, options = {}) {
      if (layers.length === 0) return [];
      const names = chainNames(layers);
      const missing = await missingOf([...names, ...names.map(flatName)], options);
      // the newest flattened one that is there makes all below it unnecessary
      const floor = names.findLastIndex((name) => !missing.has(flatName(name)));
      const above = names.slice(floor + 1);
      const stack = [...(floor < 0 ? [] : [flatName(names[floor] ?? "")]), ...above];
      const absent = above.filter((name) => missing.has(name));
      if (absent.length === 0 && stack.length <= LONGEST_STACK) return stack;
      const openTar = (diffID: DiffID, io?: IOOptions): Promise<ByteStream> => tarOf(layers, diffID, io);
      const merged = stack.length > LONGEST_STACK ? undefined : await treesOf(layers, tree, options);
      const marked = !features.whiteouts && names.some((name, i) => absent.includes(name) && deletes(merged?.[i - 1] ?? EMPTY_TREE, merged?.[i] ?? tree));
      if ((merged === undefined || marked) && layers.length > 1) {
        const flat = flatName(names.at(-1) ?? "");
        await unpack(flat, () => layerWriteStream(EMPTY_TREE, tree, openTar, options), options);
        return [flat];
      }
      for (const [i, name] of names.entries()) {
        if (!absent.includes(name)) continue;
        const below = i === 0 ? EMPTY_TREE : (merged?.[i - 1] ?? EMPTY_TREE);
        const here = i === names.length - 1 ? tree : (merged?.[i] ?? tree);
        await unpack(name, () => layerWriteStream(below, here, openTar, options), options);
      }
      return stack;
    },
    made(name) {
      known.set(name, true);
      if (!known.has(flatName(name))) known.set(flatName(name), false);
    },
  };
}

/** Beyond this, overlayfs and its options come to their limits, and lookups get slow. */
const LONGEST_STACK = 300;

function deletes(base: FileTree, next: FileTree): boolean {
  for (const change of diffTrees(base, next).changes) if (change.kind === "deleted") return true;
  return false;
}

function flatName(name: string): string {
  return `flat-${name}`;
}

/** The tree after each layer but the last; `undefined` where a layer has no index. */
export async function treesOf(layers: readonly StackedLayer[], tree: FileTree, options: IOOptions): Promise<FileTree[] | undefined> {
  const trees: FileTree[] = [];
  for (const layer of layers.slice(0, -1)) {
    if (layer.index === undefined) return undefined;
    trees.push(mergeLayer(trees.at(-1) ?? EMPTY_TREE, await layer.index(options)));
  }
  return [...trees, tree];
}

/** Opens the tar of one of a stack's layers. */
export async function tarOf(layers: readonly StackedLayer[], diffID: DiffID, options: IOOptions = {}): Promise<ByteStream> {
  const layer = layers.find((candidate) => candidate.diffID === diffID);
  if (layer === undefined) throw new VarveError("SNAPSHOT_APPLY_FAILED", `the tree refers to ${diffID}, which is none of its layers`);
  return await layer.openTar(options);
}
