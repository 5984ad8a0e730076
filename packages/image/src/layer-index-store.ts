import { decompress } from "@varve/archive";
import { VarveError } from "@varve/errors";
import { decodeLayerIndex, EMPTY_TREE, encodeLayerIndex, type FileTree, indexLayer, type LayerIndex, mergeLayer } from "@varve/layer";
import type { DiffID, IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import type { Image, ImageLayer } from "./image.ts";
import { ofLayer } from "./blob-error.ts";
import { limitInflation } from "./inflation-limit.ts";
import { createSemaphore } from "./semaphore.ts";

/** Indexes that are being made, by store: two steps that need one layer read it once. */
const inFlight = new WeakMap<Store, Map<DiffID, Promise<LayerIndex>>>();

/**
 * The index of a layer: as stored, or made by reading the layer's blob (fetched into the store on the way when it is not there) and
 * kept. Throws IMAGE_LAYER_MISMATCH when the content is not the diffID's, and what reading a hostile tar throws.
 */
export async function layerIndex(store: Store, layer: ImageLayer, options: IOOptions = {}): Promise<LayerIndex> {
  const stored = await readStoredIndex(store, layer.diffID, options);
  if (stored !== undefined) return stored;
  const running = inFlight.get(store) ?? new Map<DiffID, Promise<LayerIndex>>();
  inFlight.set(store, running);
  for (let other = running.get(layer.diffID); other !== undefined; other = running.get(layer.diffID)) {
    const index = await other.catch(() => undefined);
    options.signal?.throwIfAborted();
    if (index !== undefined) return index;
  }
  const own = makeIndex(store, layer, options);
  running.set(layer.diffID, own);
  try {
    return await own;
  } finally {
    running.delete(layer.diffID);
  }
}

/** The file tree of an image: its layers' indexes, merged. Nothing is unpacked; layers whose index is stored are not read. */
export async function imageTree(store: Store, image: Pick<Image, "layers">, options: IOOptions = {}): Promise<FileTree> {
  const semaphore = createSemaphore(3);
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  const pending = image.layers.map((layer) => semaphore.run(() => layerIndex(store, layer, { signal })));
  try {
    const indexes = await Promise.all(pending);
    return indexes.reduce((tree, index) => mergeLayer(tree, index), EMPTY_TREE);
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(pending);
    throw error;
  }
}

/** The stored index; `undefined` when there is none, or none that can be read: it is rebuildable. */
export async function readStoredIndex(store: Store, diffID: DiffID, options: IOOptions): Promise<LayerIndex | undefined> {
  const bytes = await store.readLayerIndex(diffID, options);
  if (bytes === undefined) return undefined;
  try {
    return decodeLayerIndex(bytes);
  } catch {
    return undefined;
  }
}

async function makeIndex(store: Store, layer: ImageLayer, options: IOOptions): Promise<LayerIndex> {
  const blob = (await store.has(layer.descriptor, options)) ? await store.fetch(layer.descriptor, options) : fetchThrough(store, layer, options);
  const index = await indexLayer(
    limitInflation(blob, decompress, () => layer.descriptor.size),
    options,
  ).catch((error: unknown) => {
    throw ofLayer(layer.descriptor.digest, error);
  });
  if (index.diffID !== layer.diffID) {
    throw new VarveError("IMAGE_LAYER_MISMATCH", `layer ${layer.descriptor.digest} holds ${index.diffID}, but its image's config says ${layer.diffID}`);
  }
  await store.writeLayerIndex(layer.diffID, encodeLayerIndex(index), options);
  return index;
}

/** A layer's bytes, written into the store while they pass; the stream ends only when the blob is stored. */
export async function* fetchThrough(
  store: Store,
  layer: Pick<ImageLayer, "descriptor" | "open">,
  options: IOOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = await store.ingest(options);
  try {
    for await (const piece of await layer.open(options)) {
      await writer.write(piece);
      yield piece;
    }
    await writer.commit({ digest: layer.descriptor.digest, size: layer.descriptor.size });
  } finally {
    await writer.abort();
  }
}
