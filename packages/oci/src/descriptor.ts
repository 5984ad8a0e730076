import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** image-spec descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** base64 of the content itself. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}
