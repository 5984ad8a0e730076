import { constants } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { collectBytes } from "@varve/bytes";
import { decodeCacheRecord } from "@varve/cache";
import { isVarveError } from "@varve/errors";
import { openImage } from "@varve/image";
import { type Descriptor, DOCUMENT_LIMIT, type IOOptions, isIndexType, isManifestType, parseIndex, parseManifest } from "@varve/oci";
import type { Store } from "@varve/store";
import { openContainers } from "../container/container-shelf.ts";

/** What a store is made of, by how it can be had again. */
export type StoredThing = "blob" | "layer index" | "cache record" | "snapshot" | "context listing" | "cache mount" | "leftover";

/** One thing in a store that can be removed alone. */
export interface InventoryItem {
  readonly kind: StoredThing;
  /** Of a blob or layer index. */
  readonly digest?: string;
  /** Of everything else: absolute. */
  readonly path?: string;
  readonly bytes: number;
  /** When it was made or, where that is known, last used; milliseconds since the epoch. */
  readonly used: number;
  /** Digests and diffIDs that a cache record needs. */
  readonly needs?: readonly string[];
}

/** Everything in a store, and what its names and containers hold. */
export interface Inventory {
  readonly items: readonly InventoryItem[];
  /** Digests of blobs, and diffIDs of layers, that images are made of. */
  readonly images: ReadonlySet<string>;
  /** The same of containers. */
  readonly containers: ReadonlySet<string>;
}

/** Looks through a store. What goes or comes meanwhile may be in it or not. */
export async function takeInventory(store: Store, io: IOOptions): Promise<Inventory> {
  const images = new Set<string>();
  for (const entry of await store.entries(io)) await reach(store, entry, images, io);
  const containers = new Set<string>();
  for (const { manifest, end } of await (await openContainers(store)).list()) {
    await reach(store, manifest, containers, io);
    if (end?.layer !== undefined) containers.add(end.layer.diffID).add(end.layer.blob.digest);
  }
  const files = async (kind: "blob" | "layer index"): Promise<readonly InventoryItem[]> =>
    (await store.stored(kind)).map(({ digest, bytes, written }) => ({ kind, digest, bytes, used: written }));
  const items = await Promise.all([
    files("blob"),
    files("layer index"),
    ...["steps", "latest", "converted"].map((name) => listRecords(join(store.root, "cache", name))),
    listSnapshots(join(store.root, "snapshots")),
    listFolder("context listing", join(store.root, "contexts")),
    listFolder("cache mount", join(store.root, "cache", "mounts")),
    listFolder("leftover", join(store.root, "corrupt")),
    listFolder("leftover", join(store.root, "spool")),
    listFolder("leftover", join(store.root, "trash")),
  ]);
  return { items: items.flat(), images, containers };
}

/** Adds what a manifest or index leads to. What is not there, or is no image, leads nowhere. */
async function reach(store: Store, descriptor: Descriptor, into: Set<string>, io: IOOptions): Promise<void> {
  const { mediaType, digest, size } = descriptor;
  if (into.has(digest)) return;
  into.add(digest);
  if (!(await store.has(descriptor, io))) return;
  const read = async (): Promise<Uint8Array> =>
    collectBytes(await store.fetch({ mediaType, digest, size }, io), DOCUMENT_LIMIT, () => new RangeError("larger than a document may be"));
  try {
    if (isIndexType(mediaType)) {
      for (const child of parseIndex(await read(), mediaType).manifests) await reach(store, child, into, io);
    } else if (isManifestType(mediaType)) {
      const { config, layers } = parseManifest(await read(), mediaType);
      for (const blob of [config, ...layers]) into.add(blob.digest);
      const image = await openImage(store, descriptor, io);
      for (const { diffID } of image.layers) into.add(diffID);
    }
  } catch (error) {
    // anything else must not be taken for "nothing is needed"
    if (!isVarveError(error, ...UNUSABLE)) throw error;
  }
}

/** A signature, a chart: its blobs are known by then. A manifest that nobody can read needs nothing. */
const UNUSABLE = ["IMAGE_NOT_AN_IMAGE", "IMAGE_UNSUPPORTED_LAYER", "STORE_BLOB_NOT_FOUND", "STORE_DIGEST_MISMATCH", "OCI_INVALID_MANIFEST"] as const;

async function listRecords(folder: string): Promise<readonly InventoryItem[]> {
  return Promise.all(
    (await listFolder("cache record", folder)).map(async (item) => {
      // one that cannot be read is of no use
      const bytes = await readUnnoticed(item.path ?? "").catch(() => new Uint8Array());
      try {
        const { diffID, blob } = decodeCacheRecord(bytes);
        return { ...item, needs: [diffID, ...(blob === undefined ? [] : [blob.digest])] };
      } catch {
        return { ...item, used: 0, needs: [] };
      }
    }),
  );
}

/** Reads without the access time telling it, which says when a build used the record (to a day, where the disk is mounted as usual). */
async function readUnnoticed(path: string): Promise<Uint8Array> {
  return readFile(path, { flag: constants.O_RDONLY | constants.O_NOATIME }).catch((error: NodeJS.ErrnoException) => {
    // somebody else's file
    if (error.code === "EPERM") return readFile(path);
    throw error;
  });
}

/** `snapshots/<form>/<name>`: root filesystems; `work` is that of runners, which sweep it themselves. */
async function listSnapshots(folder: string): Promise<readonly InventoryItem[]> {
  const forms = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const lists = await Promise.all(forms.filter((form) => form.isDirectory()).map((form) => listFolder("snapshot", join(folder, form.name))));
  return lists.flat().filter(({ path }) => /\/[0-9a-f]{64}$/.test(path ?? ""));
}

/** A snapshot's other times are those its image gives the root folder. */
async function listFolder(kind: StoredThing, folder: string): Promise<readonly InventoryItem[]> {
  const names = await readdir(folder).catch(() => []);
  const items = await Promise.all(
    names.map(async (name): Promise<InventoryItem | undefined> => {
      const path = join(folder, name);
      const found = await lstat(path).catch(() => undefined);
      return found === undefined
        ? undefined
        : { kind, path, bytes: await bytesBelow(path), used: kind === "snapshot" ? found.ctimeMs : Math.max(found.mtimeMs, found.atimeMs) };
    }),
  );
  return items.filter((item) => item !== undefined);
}

/** Bytes of disk a file or folder takes; what can't be read counts for nothing. */
async function bytesBelow(path: string): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return 0;
  let bytes = found.blocks * 512;
  if (!found.isDirectory()) return bytes;
  // names may be any bytes
  for (const name of await readdir(path, { encoding: "latin1" }).catch(() => [])) bytes += await bytesBelow(join(path, name));
  return bytes;
}
