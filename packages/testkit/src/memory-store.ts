import { createHash } from "node:crypto";
import { type ByteStream, concatBytes } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type BlobWriter, type Descriptor, type Digest, digestFromHex, type IOOptions } from "@varve/oci";
import type { RegistryStore } from "@varve/registry";
import { inPieces } from "./blob.ts";

const PIECE = 64 * 1024;

/** A store in memory, for tests of what uses one; it keeps the contract of blob stores, without the disk. */
export function createMemoryStore(): RegistryStore {
  return new MemoryStore();
}

class MemoryStore implements RegistryStore {
  readonly #blobs = new Map<Digest, Uint8Array>();
  readonly #refs = new Map<string, Descriptor>();

  async fetch(descriptor: Descriptor, options?: IOOptions): Promise<ByteStream> {
    options?.signal?.throwIfAborted();
    const bytes = this.#bytes(descriptor.digest);
    verify(bytes, descriptor);
    return inPieces(bytes, PIECE);
  }

  async fetchRange(descriptor: Descriptor, offset: number, length: number): Promise<ByteStream> {
    const bytes = this.#bytes(descriptor.digest);
    if (offset < 0 || length < 0 || offset + length > bytes.length)
      throw new VarveError("STORE_RANGE", `bytes ${offset} to ${offset + length} lie outside ${descriptor.digest}`);
    return inPieces(bytes.subarray(offset, offset + length), PIECE);
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    return this.#blobs.get(descriptor.digest)?.length === descriptor.size;
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#blobs.get(digest)?.length;
  }

  async push(descriptor: Descriptor, open: () => Promise<ByteStream>, options?: IOOptions): Promise<void> {
    const writer = await this.ingest(options);
    for await (const piece of await open()) await writer.write(piece);
    await writer.commit(descriptor);
  }

  async ingest(options?: IOOptions): Promise<BlobWriter> {
    const pieces: Uint8Array[] = [];
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) throw new Error("blob writer used after commit or abort");
      isOpen = false;
    };
    return {
      write: async (chunk) => {
        options?.signal?.throwIfAborted();
        if (!isOpen) throw new Error("blob writer used after commit or abort");
        pieces.push(chunk.slice());
      },
      commit: async (expected = {}) => {
        close();
        const bytes = concatBytes(pieces);
        const digest = digestOf(bytes);
        verify(bytes, { digest: expected.digest ?? digest, size: expected.size ?? bytes.length });
        this.#blobs.set(digest, bytes);
        return { digest, size: bytes.length };
      },
      abort: async () => {
        isOpen = false;
      },
    };
  }

  async tag(descriptor: Descriptor, reference: string): Promise<void> {
    this.#bytes(descriptor.digest);
    this.#refs.set(reference, descriptor);
  }

  async untag(name: string): Promise<boolean> {
    return this.#refs.delete(name);
  }

  async refs(): Promise<readonly { readonly name: string; readonly descriptor: Descriptor }[]> {
    return [...this.#refs].map(([name, descriptor]) => ({ name, descriptor })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  #bytes(digest: Digest): Uint8Array {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) throw new VarveError("STORE_BLOB_NOT_FOUND", `blob ${digest} is not in the store`);
    return bytes;
  }
}

function digestOf(bytes: Uint8Array): Digest {
  return digestFromHex(createHash("sha256").update(bytes).digest("hex"));
}

function verify(bytes: Uint8Array, expected: Pick<Descriptor, "digest" | "size">): void {
  if (bytes.length !== expected.size || digestOf(bytes) !== expected.digest)
    throw new VarveError("STORE_DIGEST_MISMATCH", `blob ${expected.digest} is another`);
}
