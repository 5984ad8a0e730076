import { availableParallelism } from "node:os";
import { type Codec, compressPiece, createSha256, decompress, encodeTarHeader, sha256Hex, TAR_END, tarPadding } from "@varve/archive";
import { collectBytes, concatBytes } from "@varve/bytes";
import { mapInOrder } from "@varve/layer";
import { type Descriptor, type DiffID, type IOOptions, MEDIA_TYPES, parseDiffID } from "@varve/oci";
import type { Store } from "@varve/store";
import type { ImageLayer } from "../image.ts";
import { limitInflation } from "../inflation-limit.ts";
import { decodeFooter, encodeFooter, FOOTER_SIZE } from "./estargz-footer.ts";
import { cutMembers, ownHeader } from "./estargz-members.ts";
import { createToc, TOC_NAME } from "./estargz-toc.ts";

/** Of a layer's descriptor: sha256 of the table of contents, by which a lazy puller verifies it. */
export const TOC_DIGEST_ANNOTATION = "containerd.io/snapshot/stargz/toc.digest";
/** Of a layer's descriptor: bytes of the uncompressed tar. */
export const UNCOMPRESSED_SIZE_ANNOTATION = "io.containers.estargz.uncompressed-size";

/** Whether a layer is eStargz by what its descriptor says. */
export function isEstargzLayer(descriptor: Descriptor): boolean {
  return descriptor.annotations?.[TOC_DIGEST_ANNOTATION] !== undefined;
}

/**
 * Stores an eStargz form of a layer whose blob is in the store (stargz-snapshotter docs/estargz.md): still a gzip of a tar, with a table of contents by
 * which single files can be fetched. The table is a file of the tar, so the layer has another diffID. Throws IMAGE_OUTPUT for names it can't hold.
 */
export async function createEstargzLayer(
  store: Store,
  layer: Pick<ImageLayer, "descriptor">,
  codec: Codec,
  options: IOOptions = {},
): Promise<{ readonly diffID: DiffID; readonly descriptor: Descriptor }> {
  const { descriptor } = layer;
  const isEstargz = await endsInFooter(store, descriptor, options);
  const tar = limitInflation(await store.fetch(descriptor, options), decompress, () => descriptor.size);
  const writer = await store.ingest(options);
  try {
    const whole = createSha256();
    const starts: number[] = [];
    let uncompressedSize = 0;
    let size = 0;
    const compress = (bytes: Uint8Array): Promise<Uint8Array> => {
      whole.update(bytes);
      uncompressedSize += bytes.length;
      return compressPiece(codec, bytes);
    };
    const write = async (bytes: Uint8Array): Promise<void> => {
      await writer.write(bytes);
      size += bytes.length;
    };
    const toc = createToc();
    const members = cutMembers(tar, { ...options, toc, isEstargz });
    for await (const member of mapInOrder(members, compress, { ...options, concurrency: availableParallelism() + 1 })) {
      starts.push(size);
      await write(member);
      toc.settle(starts);
    }
    const table = toc.finish();
    const tocOffset = size;
    // one member: readers of the table don't go on to a next
    await write(await compress(concatBytes([encodeTarHeader(ownHeader(TOC_NAME, table.length)), table, tarPadding(table.length), TAR_END])));
    await write(encodeFooter(tocOffset));
    const { digest } = await writer.commit();
    const annotations = { [TOC_DIGEST_ANNOTATION]: `sha256:${sha256Hex(table)}`, [UNCOMPRESSED_SIZE_ANNOTATION]: String(uncompressedSize) };
    return { diffID: parseDiffID(`sha256:${whole.hex()}`), descriptor: { mediaType: MEDIA_TYPES.ociLayerGzip, digest, size, annotations } };
  } finally {
    await writer.abort();
  }
}

/** A blob that lost its annotations on the way may be eStargz still. */
async function endsInFooter(store: Store, descriptor: Descriptor, options: IOOptions): Promise<boolean> {
  if (descriptor.size < FOOTER_SIZE) return false;
  const tail = await store.fetchRange(descriptor, descriptor.size - FOOTER_SIZE, FOOTER_SIZE, options);
  return decodeFooter(await collectBytes(tail, FOOTER_SIZE, () => new RangeError("a range was longer than asked for"))) !== undefined;
}
