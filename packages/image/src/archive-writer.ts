import type { ByteStream } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { canonicalJson, type Descriptor, type Digest, familiarReference, type Fetcher, parseReference } from "@varve/oci";
import { type ByteSink, writeSink } from "./byte-sink.ts";
import { copyGraph, type CopyOptions, type CopyTarget } from "./graph-copier.ts";
import { openImage, type OpenImageOptions } from "./image-opener.ts";
import { isForeignLayer } from "./layer-type.ts";
import { blobPath, layoutEntries, layoutIndex, type NamedImage, OCI_LAYOUT } from "./layout-index.ts";
import { packTar, type TarPacker } from "./tar-packer.ts";

/** Options of the archive writers. */
export type ArchiveOptions = Omit<CopyOptions, "concurrency" | "mountFrom" | "trustExisting"> & Pick<OpenImageOptions, "platform">;

/** Writes images as an oci-archive: the tar of an OCI image layout. Equal images give equal bytes. */
export function writeOciArchive(source: Fetcher, images: readonly NamedImage[], sink: ByteSink, options: ArchiveOptions = {}): Promise<void> {
  return writeSink(sink, ociArchive(source, images, options), options);
}

/**
 * Writes images as an archive for `docker load`, `podman load` and `skopeo copy docker-archive:`. It is an OCI layout too, whose blobs the
 * docker-archive's `manifest.json` names, as Docker itself writes since version 25; so layers stay compressed. Of an index, the image of
 * `platform` goes in. Throws IMAGE_OUTPUT for images with foreign layers, which such an archive cannot hold.
 */
export async function writeDockerArchive(source: Fetcher, images: readonly NamedImage[], sink: ByteSink, options: ArchiveOptions = {}): Promise<void> {
  return writeSink(sink, dockerArchive(source, images, options), options);
}

function ociArchive(source: Fetcher, images: readonly NamedImage[], options: ArchiveOptions): ByteStream {
  return packTar((packer) => packLayout(packer, source, images, options));
}

function dockerArchive(source: Fetcher, images: readonly NamedImage[], options: ArchiveOptions): ByteStream {
  return packTar(async (packer) => {
    const single: NamedImage[] = [];
    const rows: unknown[] = [];
    for (const { descriptor, names } of images) {
      const image = await openImage(source, descriptor, options);
      const foreign = image.layers.find((layer) => isForeignLayer(layer.descriptor));
      if (foreign !== undefined) {
        throw new VarveError(
          "IMAGE_OUTPUT",
          `${names[0] ?? descriptor.digest} has the foreign layer ${foreign.descriptor.digest}, which a docker-archive cannot hold`,
          {
            hint: "write type=oci instead",
          },
        );
      }
      single.push({ descriptor: image.descriptor, names });
      rows.push({
        Config: blobPath({ digest: image.configDigest }),
        RepoTags: names.flatMap(repoTag),
        Layers: image.layers.map((layer) => blobPath(layer.descriptor)),
      });
    }
    await packLayout(packer, source, single, options);
    await packer.bytes("manifest.json", canonicalJson(rows));
  });
}

/** Docker names images by tag only. */
function repoTag(name: string): readonly string[] {
  const { digest: _, ...reference } = parseReference(name);
  return reference.tag === undefined ? [] : [familiarReference(reference)];
}

async function packLayout(packer: TarPacker, source: Fetcher, images: readonly NamedImage[], options: ArchiveOptions): Promise<void> {
  await packer.directory("blobs/");
  await packer.directory("blobs/sha256/");
  const target = createTarTarget(packer);
  // one after the other, in the graph's own order: a tar is written front to back
  for (const { descriptor } of images) {
    await copyGraph(source, target, descriptor, { signal: options.signal, onProgress: options.onProgress, concurrency: 1 });
  }
  await packer.bytes("index.json", layoutIndex(layoutEntries(images)));
  await packer.bytes("oci-layout", OCI_LAYOUT);
}

function createTarTarget(packer: TarPacker): CopyTarget {
  const written = new Set<Digest>();
  return {
    has: async (descriptor: Descriptor) => written.has(descriptor.digest),
    async push(descriptor, open) {
      written.add(descriptor.digest);
      await packer.file(blobPath(descriptor), descriptor.size, await open());
    },
  };
}
