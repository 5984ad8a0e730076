import type { ByteStream } from "@varve/bytes";
import { stat } from "node:fs/promises";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import type { Store } from "@varve/store";
import { type ArchiveMembers, directoryMembers, tarMembers } from "./archive-members.ts";
import { loadDockerArchive } from "./docker-archive-loader.ts";
import type { CopyEvent } from "./graph-copier.ts";
import type { NamedImage } from "./layout-index.ts";
import { loadLayout } from "./oci-layout-loader.ts";

/** Options of {@link loadArchive}. */
export interface LoadOptions extends IOOptions {
  readonly onProgress?: ((event: CopyEvent) => void) | undefined;
}

/**
 * Stores the images of a docker-archive, an oci-archive (each may be compressed; a path or a stream) or an OCI layout directory, and
 * gives what they are and the names they carry. Nothing is tagged. An archive that is both is read as a layout. Throws
 * IMAGE_INVALID_ARCHIVE, IMAGE_LAYER_MISMATCH and what the parsers and the store throw.
 */
export async function loadArchive(store: Store, input: string | ByteStream, options: LoadOptions = {}): Promise<readonly NamedImage[]> {
  const members = await openMembers(store, input, options);
  try {
    if (await members.has("index.json")) return await loadLayout(store, members, options);
    if (await members.has("manifest.json")) return await loadDockerArchive(store, members, options);
    const old = await members.has("repositories");
    throw new VarveError("IMAGE_INVALID_ARCHIVE", `${typeof input === "string" ? input : "the archive"} has neither index.json nor manifest.json`, {
      hint: old
        ? "archives of Docker before 1.10 are not supported"
        : "an image archive is what docker save, podman save or skopeo copy write; a root filesystem's tar is not one",
    });
  } finally {
    await members[Symbol.asyncDispose]();
  }
}

async function openMembers(store: Store, input: string | ByteStream, options: IOOptions): Promise<ArchiveMembers> {
  const isDirectory = typeof input === "string" && (await stat(input).catch(() => undefined))?.isDirectory() === true;
  return isDirectory ? directoryMembers(input) : tarMembers(input, () => store.directory("spool"), options);
}
