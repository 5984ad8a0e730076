import { createHash } from "node:crypto";
import { decompress } from "@varve/archive";
import { type ByteStream, streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { ContentReader, ContentRef } from "@varve/layer";
import { type Descriptor, type Digest, digestFromHex, type DiffID, type IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import { createForwardLayer } from "./forward-layer.ts";
import { limitInflation } from "./inflation-limit.ts";
import { readStoredIndex } from "./layer-index-store.ts";
import { createSegmentCache, createSegmentedLayer, type SegmentCache } from "./segmented-layer.ts";

/** Reads files of layers; frees what it holds when disposed of. */
export interface LayerReader extends ContentReader, AsyncDisposable {}

/** The uncompressed tar of one layer, readable at any place. */
export interface LayerContent extends AsyncDisposable {
  read(offset: number, size: number, options?: IOOptions): ByteStream;
}

/**
 * Reads `layer` and `bytes` references. A layer whose segments are known (those varve wrote) is inflated only where the file lies; another is
 * read front to back, and put aside uncompressed once somebody reads backwards. Every file is checked against its digest.
 * `resolveBlob` gives the blob of a diffID, once it is in the store. Throws IMAGE_LAYER_MISMATCH for content that is not what the index says.
 */
export function createLayerReader(store: Store, resolveBlob: (diffID: DiffID, options?: IOOptions) => Promise<Descriptor>): LayerReader {
  const layers = new Map<DiffID, Promise<LayerContent>>();
  const cache = createSegmentCache();
  const layerOf = (diffID: DiffID, options: IOOptions | undefined): Promise<LayerContent> => {
    const known = layers.get(diffID);
    if (known !== undefined) return known;
    const opening = resolveBlob(diffID, options).then((blob) => openLayer(store, diffID, blob, cache));
    layers.set(diffID, opening);
    // a failed start must not stick
    opening.catch(() => layers.delete(diffID));
    return opening;
  };
  const open = async (ref: ContentRef, options?: IOOptions): Promise<ByteStream> => {
    if (ref.kind === "bytes") return streamOf(ref.bytes);
    if (ref.kind !== "layer") throw new TypeError(`${ref.kind} references are not read from layers`);
    if (ref.size === 0) return streamOf();
    const layer = await layerOf(ref.diffID, options);
    return checked(layer.read(ref.offset, ref.size, options), ref);
  };
  return {
    open,
    async digest(ref, options) {
      if (ref.kind === "layer" && ref.digest !== undefined) return ref.digest;
      return hashOf(await open(ref, options));
    },
    async [Symbol.asyncDispose]() {
      const open_ = [...layers.values()];
      layers.clear();
      for (const layer of open_)
        await layer.then(
          (content) => content[Symbol.asyncDispose](),
          () => {},
        );
    },
  };
}

async function openLayer(store: Store, diffID: DiffID, blob: Descriptor, cache: SegmentCache): Promise<LayerContent> {
  const index = await readStoredIndex(store, diffID, {});
  const table = index?.tables.find((each) => each.blob === blob.digest && each.sizes.length === index.segments.length);
  if (index !== undefined && table !== undefined) return createSegmentedLayer({ store, blob, index, table, cache });
  return createForwardLayer(
    async (options) => limitInflation(await store.fetch(blob, options), decompress, () => blob.size),
    () => store.directory("spool"),
  );
}

async function* checked(stream: ByteStream, ref: Extract<ContentRef, { readonly kind: "layer" }>): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = ref.digest === undefined ? undefined : createHash("sha256");
  let size = 0;
  for await (const piece of stream) {
    hash?.update(piece);
    size += piece.length;
    yield piece;
  }
  const wrong = size !== ref.size ? `it has ${size} bytes instead of ${ref.size}` : wrongDigest(hash?.digest("hex"), ref.digest);
  if (wrong !== undefined)
    throw new VarveError("IMAGE_LAYER_MISMATCH", `a file at byte ${ref.offset} of layer ${ref.diffID} is not what the index says: ${wrong}`);
}

function wrongDigest(hex: string | undefined, expected: Digest | undefined): string | undefined {
  if (hex === undefined || expected === undefined || digestFromHex(hex) === expected) return undefined;
  return `its digest is sha256:${hex}`;
}

async function hashOf(stream: ByteStream): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return digestFromHex(hash.digest("hex"));
}
