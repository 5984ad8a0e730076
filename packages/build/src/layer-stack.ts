import { type ByteStream } from "@varve/bytes";
import { decompress } from "@varve/archive";
import { type ImageLayer, layerIndex } from "@varve/image";
import { chainIDs, EMPTY_TREE, type FileTree, type LayerIndex, mergeLayer } from "@varve/layer";
import type { ChainID, Descriptor, DiffID, IOOptions } from "@varve/oci";
import type { StackedLayer } from "@varve/snapshot";
import type { Store } from "@varve/store";

/** One layer of a result: a base's, a cached one or one just made. */
export interface StackLayer {
  readonly diffID: DiffID;
  /** The blob's descriptor; waits for its compression. A base's blob may still be in its registry only. */
  blob(): Promise<Descriptor>;
  /** As `blob`, once the blob is in the store. */
  stored(options?: IOOptions): Promise<Descriptor>;
  index(options?: IOOptions): Promise<LayerIndex>;
  /** What this build compressed the blob with (`Codec.encoding`); absent when it was made before. */
  readonly encoding?: string;
}

/** Layers from the bottom up, and what they are together. */
export interface LayerStack {
  readonly layers: readonly StackLayer[];
  /** `undefined` for no layers at all. */
  readonly chainID: ChainID | undefined;
}

/** The stack without layers. */
export const EMPTY_STACK: LayerStack = { layers: [], chainID: undefined };

/** A stack of these layers. */
export function createStack(layers: readonly StackLayer[]): LayerStack {
  return { layers, chainID: chainIDs(layers.map((layer) => layer.diffID)).at(-1) };
}

/** A layer of a base image; it is fetched into the store when its bytes, or names nobody has indexed yet, are asked for. */
export function baseLayer(store: Store, layer: ImageLayer): StackLayer {
  let fetched: Promise<void> | undefined;
  return {
    diffID: layer.diffID,
    blob: () => Promise.resolve(layer.descriptor),
    async stored(options) {
      if (fetched === undefined) {
        fetched = store.push(layer.descriptor, () => layer.open(options), options);
        fetched.catch(() => (fetched = undefined));
      }
      await fetched;
      return layer.descriptor;
    },
    index: (options) => layerIndex(store, layer, options),
  };
}

/** A layer whose blob and index are in the store, or will be; `made` when this build makes it. */
export function storedLayer(
  store: Store,
  diffID: DiffID,
  blob: Promise<Descriptor>,
  made?: { readonly index: LayerIndex; readonly encoding: string },
): StackLayer {
  return {
    diffID,
    ...(made === undefined ? {} : { encoding: made.encoding }),
    blob: () => blob,
    stored: () => blob,
    async index(options) {
      if (made !== undefined) return made.index;
      const descriptor = await blob;
      return layerIndex(store, { diffID, descriptor, open: (io) => store.fetch(descriptor, io) }, options);
    },
  };
}

/** The uncompressed tar of a layer. */
async function openLayerTar(store: Store, layer: StackLayer, options?: IOOptions): Promise<ByteStream> {
  return decompress(await store.fetch(await layer.stored(options), options));
}

/** Layers as a runner stacks them. */
export function stackedLayers(store: Store, layers: readonly StackLayer[]): StackedLayer[] {
  return layers.map((layer) => ({ diffID: layer.diffID, openTar: (io) => openLayerTar(store, layer, io), index: (io) => layer.index(io) }));
}

/** Merged trees of stacks, each made once, each from the one below it. */
export interface StackTrees {
  tree(stack: LayerStack, options?: IOOptions): Promise<FileTree>;
}

/** Remembers trees by chainID for the length of a build. */
export function createStackTrees(): StackTrees {
  const trees = new Map<ChainID, Promise<FileTree>>();
  const treeOf = (layers: readonly StackLayer[], chains: readonly ChainID[], options: IOOptions | undefined): Promise<FileTree> => {
    const chain = chains.at(-1);
    const top = layers.at(-1);
    if (chain === undefined || top === undefined) return Promise.resolve(EMPTY_TREE);
    const known = trees.get(chain);
    if (known !== undefined) return known;
    const made = (async () => {
      // the indexes of all layers are read at the same time, bottom first
      const [below, index] = await Promise.all([treeOf(layers.slice(0, -1), chains.slice(0, -1), options), top.index(options)]);
      return mergeLayer(below, index);
    })();
    trees.set(chain, made);
    made.catch(() => trees.delete(chain));
    return made;
  };
  return { tree: (stack, options) => treeOf(stack.layers, chainIDs(stack.layers.map((layer) => layer.diffID)), options) };
}
