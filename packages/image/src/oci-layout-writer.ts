import { mkdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type Descriptor, type Fetcher, type IOOptions, parseIndex } from "@varve/oci";
import { writeSink } from "./byte-sink.ts";
import { copyGraph, type CopyOptions, type CopyTarget } from "./graph-copier.ts";
import { blobPath, IMAGE_NAME_ANNOTATION, layoutEntries, layoutIndex, type NamedImage, OCI_LAYOUT, REF_NAME_ANNOTATION } from "./layout-index.ts";

/**
 * Writes images into an OCI image layout directory, made when missing. Into a layout that is there already they are added: equal blobs
 * are not written again, and an entry of the same name gives way. Throws IMAGE_OUTPUT when the directory or its index cannot be
 * read or written.
 */
export async function writeOciLayout(source: Fetcher, images: readonly NamedImage[], directory: string, options: CopyOptions = {}): Promise<void> {
  const present = await openLayout(directory);
  const target = createLayoutTarget(directory);
  for (const { descriptor } of images) await copyGraph(source, target, descriptor, options);
  const entries = layoutEntries(images);
  const kept = present.filter((old) => !entries.some((entry) => replaces(entry, old)));
  await writeSink(path.join(directory, "oci-layout"), streamOf(OCI_LAYOUT));
  await writeSink(path.join(directory, "index.json"), streamOf(layoutIndex([...kept, ...entries])));
}

/** Entries of a layout that is there; makes the directory when there is none. */
async function openLayout(directory: string): Promise<readonly Descriptor[]> {
  try {
    await mkdir(path.join(directory, "blobs", "sha256"), { recursive: true });
    const bytes = await readFile(path.join(directory, "index.json")).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    return bytes === undefined ? [] : parseIndex(bytes).manifests;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new VarveError("IMAGE_OUTPUT", `cannot write an OCI layout to ${directory}: ${why}`, { cause });
  }
}

function replaces(entry: Descriptor, old: Descriptor): boolean {
  const name = entry.annotations?.[IMAGE_NAME_ANNOTATION];
  const oldName = old.annotations?.[IMAGE_NAME_ANNOTATION];
  if (name !== undefined && oldName !== undefined) return name === oldName;
  const ref = entry.annotations?.[REF_NAME_ANNOTATION];
  const oldRef = old.annotations?.[REF_NAME_ANNOTATION];
  return ref === undefined && oldRef === undefined ? entry.digest === old.digest : ref === oldRef;
}

function createLayoutTarget(directory: string): CopyTarget {
  const fileOf = (descriptor: Descriptor): string => path.join(directory, blobPath(descriptor));
  return {
    async has(descriptor: Descriptor): Promise<boolean> {
      const found = await stat(fileOf(descriptor)).catch(() => undefined);
      return found?.size === descriptor.size;
    },
    async push(descriptor, open, options: IOOptions = {}) {
      await writeSink(fileOf(descriptor), await open(), options);
    },
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
