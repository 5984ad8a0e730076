import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import type { LayerContent } from "./layer-reader.ts";
import { type Spool, spoolStream } from "./spool.ts";

/**
 * A layer that can only be inflated from its start. Files read in the layer's order cost one pass; the first read that would have to go back
 * (or comes while another goes on) puts the whole tar aside, uncompressed, and from then on all are read from there.
 */
export function createForwardLayer(openTar: (options?: IOOptions) => Promise<ByteStream>, directory: () => Promise<string>): LayerContent {
  return new ForwardLayer(openTar, directory);
}

class ForwardLayer implements LayerContent {
  readonly #openTar: (options?: IOOptions) => Promise<ByteStream>;
  readonly #directory: () => Promise<string>;
  #cursor: ForwardCursor | undefined;
  /** The cursor is being read, or the tar was put aside: it is not to be used. */
  #busy = false;
  #spool: Promise<Spool> | undefined;

  constructor(openTar: (options?: IOOptions) => Promise<ByteStream>, directory: () => Promise<string>) {
    this.#openTar = openTar;
    this.#directory = directory;
  }

  async *read(offset: number, size: number, options?: IOOptions): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#spool !== undefined || this.#busy || (this.#cursor?.position ?? 0) > offset) {
      yield* (await this.#putAside()).read(offset, size, options);
      return;
    }
    this.#busy = true;
    try {
      // without the caller's signal: the stream serves later callers too
      this.#cursor ??= new ForwardCursor(await this.#openTar());
      for await (const piece of this.#cursor.take(offset, size)) {
        options?.signal?.throwIfAborted();
        yield piece;
      }
    } catch (error) {
      await this.#dropCursor();
      throw error;
    } finally {
      this.#busy = false;
      if (this.#spool !== undefined) await this.#dropCursor();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dropCursor();
    await this.#spool?.then(
      (spool) => spool[Symbol.asyncDispose](),
      () => {},
    );
  }

  #putAside(): Promise<Spool> {
    if (this.#spool === undefined) {
      if (!this.#busy) void this.#dropCursor().catch(() => {});
      const spool = this.#openTar().then((tar) => spoolStream(tar, this.#directory));
      this.#spool = spool;
      spool.catch(() => {
        if (this.#spool === spool) this.#spool = undefined;
      });
    }
    return this.#spool;
  }

  async #dropCursor(): Promise<void> {
    const cursor = this.#cursor;
    this.#cursor = undefined;
    await cursor?.close();
  }
}

/** Reads stretches of a stream, each after the one before. */
class ForwardCursor {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(stream: ByteStream) {
    this.#source = stream[Symbol.asyncIterator]();
  }

  /** Bytes passed. */
  get position(): number {
    return this.#position;
  }

  async *take(offset: number, size: number): AsyncGenerator<Uint8Array, void, undefined> {
    const end = offset + size;
    while (this.#position < end) {
      if (this.#rest.length === 0) {
        const next = await this.#source.next();
        if (next.done === true) throw new VarveError("IMAGE_LAYER_MISMATCH", `a layer ends at byte ${this.#position}, before a file its index names`);
        this.#rest = next.value;
        continue;
      }
      const wanted = this.#position < offset ? offset - this.#position : end - this.#position;
      const piece = this.#rest.subarray(0, wanted);
      const skipped = this.#position < offset;
      this.#rest = this.#rest.subarray(piece.length);
      this.#position += piece.length;
      if (!skipped) yield piece;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
