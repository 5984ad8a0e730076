import type { ByteStream } from "@varve/bytes";
import type { Descriptor, Digest, DiffID, ImageConfig, IOOptions, Manifest } from "@varve/oci";

/** One layer of an image, whatever the medium. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffID: DiffID;
  /** The stored (compressed) bytes, verified while read. */
  open(options?: IOOptions): Promise<ByteStream>;
}

/** An immutable image; only the medium its layers come from differs (store, registry, archive). */
export interface Image {
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly configDigest: Digest;
  readonly layers: readonly ImageLayer[];
}
