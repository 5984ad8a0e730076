import type { OwningReader } from "@varve/context";
import { type ByteStream, streamOf } from "@varve/bytes";
import type { ContentReader, ContentRef, FilledBytes, FillOptions, PlacedContent } from "@varve/layer";
import { type Digest, digestFromHex } from "@varve/oci";
import { sha256Hex } from "@varve/archive";

/** Reads what several sources put into one change set: each reference by the reader that owns it, bytes at hand directly, the rest by `otherwise`. */
export function createCompositeReader(owners: readonly OwningReader[], otherwise: ContentReader): ContentReader {
  const readerOf = (ref: ContentRef): ContentReader => (ref.kind === "bytes" ? BYTES : (owners.find((owner) => owner.owns(ref)) ?? otherwise));
  return {
    open: (ref, options) => readerOf(ref).open(ref, options),
    digest: (ref, options) => readerOf(ref).digest(ref, options),
    learn: (ref, digest, since) => readerOf(ref).learn?.(ref, digest, since),
    batches: {
      takes: (ref) => readerOf(ref).batches?.takes(ref) ?? false,
      readInto(bytes, contents, options) {
        const [first] = contents.length === 0 ? owners.filter(({ batches }) => batches !== undefined) : [];
        return first?.batches?.readInto(bytes, contents, options) ?? fillByOwner(readerOf, bytes, contents, options);
      },
    },
  };
}

async function fillByOwner(
  readerOf: (ref: ContentRef) => ContentReader,
  bytes: Uint8Array,
  contents: readonly PlacedContent[],
  options: FillOptions | undefined,
): Promise<FilledBytes> {
  let last: FilledBytes | undefined;
  const digests: (Digest | undefined)[] = contents.map(() => undefined);
  const owners = new Map<ContentReader, number[]>();
  for (const [at, { ref }] of contents.entries()) {
    const owner = readerOf(ref);
    const places = owners.get(owner) ?? [];
    owners.set(owner, places);
    places.push(at);
  }
  for (const [owner, places] of owners) {
    const own = contents.length === places.length ? contents : places.flatMap((at) => contents[at] ?? []);
    const result = await owner.batches?.readInto(bytes, own, options);
    if (result === undefined) throw new TypeError("contents were left to a reader that reads none at once");
    // what the others filled is in what the last was filled with
    last = result;
    for (const [i, at] of places.entries()) digests[at] = result.digests[i];
  }
  const whole = last?.whole ?? digestFromHex(sha256Hex(bytes));
  return { digests: digests.filter((digest) => digest !== undefined), whole, crc32: last?.crc32 };
}

const BYTES: ContentReader = {
  open: (ref): Promise<ByteStream> => Promise.resolve(streamOf(bytesOf(ref))),
  digest: (ref) => Promise.resolve(digestFromHex(sha256Hex(bytesOf(ref)))),
};

function bytesOf(ref: ContentRef): Uint8Array {
  if (ref.kind !== "bytes") throw new TypeError(`${ref.kind} references hold no bytes`);
  return ref.bytes;
}
