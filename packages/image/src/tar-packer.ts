import type { ByteStream } from "@varve/bytes";
import { pack, type Pack } from "tar-stream";

/** Adds members to an outer archive, one after the other. */
export interface TarPacker {
  /** A file of exactly `size` bytes. */
  file(name: string, size: number, content: ByteStream): Promise<void>;
  /** A small file at hand. */
  bytes(name: string, content: Uint8Array): Promise<void>;
  directory(name: string): Promise<void>;
}

/** Members carry the epoch and root as owner: equal images, equal archives. */
const CONSTANT = { mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" } as const;

/**
 * An outer archive (docker-archive, oci-archive) as a stream; `fill` adds its members while the stream is read. What `fill` throws, the
 * stream throws.
 */
export async function* packTar(fill: (packer: TarPacker) => Promise<void>): AsyncGenerator<Uint8Array, void, undefined> {
  const archive = pack();
  // every way to fail is awaited below; an event nobody listens to would end the process
  archive.on("error", () => {});
  const filled = fill(createPacker(archive)).then(
    () => archive.finalize(),
    (error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    },
  );
  // the stream reports the failure; this keeps it from counting as unhandled meanwhile
  filled.catch(() => {});
  try {
    for await (const piece of archive as AsyncIterable<Uint8Array>) yield piece;
    await filled;
  } catch (error) {
    archive.destroy();
    await filled;
    throw error;
  } finally {
    archive.destroy();
    await filled.catch(() => {});
  }
}

function createPacker(archive: Pack): TarPacker {
  return {
    file: (name, size, content) => addFile(archive, name, size, content),
    bytes: (name, content) => settle((done) => quiet(archive.entry({ ...CONSTANT, name, mode: 0o644, size: content.length }, Buffer.from(content), done))),
    directory: (name) => settle((done) => quiet(archive.entry({ ...CONSTANT, name, mode: 0o755, type: "directory" }, done))),
  };
}

async function addFile(archive: Pack, name: string, size: number, content: ByteStream): Promise<void> {
  const state: { settle?: (error?: Error | null) => void } = {};
  const written = settle((done) => (state.settle = done));
  written.catch(() => {});
  const entry = quiet(archive.entry({ ...CONSTANT, name, mode: 0o644, size }, (error) => state.settle?.(error)));
  for await (const piece of content) {
    if (entry.destroyed) break;
    if (!entry.write(piece)) await Promise.race([drained(entry), written]);
  }
  entry.end(undefined);
  await written;
}

/** Failures come through the callback; the event beside it would go unheard. */
function quiet(entry: ReturnType<Pack["entry"]>): ReturnType<Pack["entry"]> {
  entry.on("error", () => {});
  return entry;
}

function drained(entry: ReturnType<Pack["entry"]>): Promise<void> {
  return new Promise((resolve) => entry.once("drain", () => resolve()));
}

function settle(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error === undefined || error === null ? resolve() : reject(error))));
}
