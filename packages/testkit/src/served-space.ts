import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteStream, collectBytes } from "@varve/bytes";
import { canonicalJson, type Descriptor, MEDIA_TYPES } from "@varve/oci";
import { type RegistryServer, type RegistryStore, type RemoteRepository, serveRegistry, type ServeOptions } from "@varve/registry";
import { describeBlob, inPieces } from "./blob.ts";
import { createMemoryStore } from "./memory-store.ts";

/** Registry tests' own retry policy: as many tries, no waiting. */
export const QUICK = { base: 1, longest: 2 } as const;

/** A folder that is removed at the end. */
export interface TestFolder extends AsyncDisposable {
  readonly path: string;
}

/** Creates a {@link TestFolder}. */
export async function createTestFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "varve-registry-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** An embedded registry over a store in memory. */
export interface ServedSpace extends AsyncDisposable {
  readonly store: RegistryStore;
  readonly server: RegistryServer;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
}

/** Starts a {@link ServedSpace}. */
export async function createServedSpace(options: Omit<ServeOptions, "store"> = {}): Promise<ServedSpace> {
  const store = createMemoryStore();
  const server = await serveRegistry({ ...options, store });
  return {
    store,
    server,
    host: `127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Bytes and what describes them. */
export interface TestBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly open: () => Promise<ByteStream>;
}

/** A blob of random bytes. */
export function randomBlob(size: number, mediaType?: string): TestBlob {
  return blobOf(randomBytes(size), mediaType);
}

/** A blob of these bytes. */
export function blobOf(bytes: Uint8Array, mediaType?: string): TestBlob {
  return { bytes, descriptor: describeBlob(bytes, mediaType), open: async () => inPieces(bytes, 64 * 1024) };
}

/** An image of random layers: what must be pushed, children first. */
export interface TestImage {
  readonly blobs: readonly TestBlob[];
  readonly manifest: TestBlob;
}

/** Makes an image; what is in its layers is no tar. */
export function randomImage(...layerSizes: readonly number[]): TestImage {
  const layers = layerSizes.map((size) => randomBlob(size, MEDIA_TYPES.ociLayerGzip));
  const config = blobOf(
    canonicalJson({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.descriptor.digest) } }),
    MEDIA_TYPES.ociConfig,
  );
  const manifest = canonicalJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor),
  });
  return { blobs: [config, ...layers], manifest: blobOf(manifest, MEDIA_TYPES.ociManifest) };
}

/** Pushes an image and tags it. */
export async function pushImage(repository: RemoteRepository, image: TestImage, tag: string): Promise<void> {
  for (const { descriptor, open } of [...image.blobs, image.manifest]) if (!(await repository.has(descriptor))) await repository.push(descriptor, open);
  await repository.tag(image.manifest.descriptor, tag);
}

/** Reads a stream whole. */
export function readAll(stream: ByteStream): Promise<Uint8Array> {
  return collectBytes(stream, 1024 * 1024 * 1024, () => new Error("too long"));
}
