import type { Digest } from "./digest.ts";

/**
 * An image's name, normalised as Docker does (distribution/reference): `nginx` is
 * `{ registry: "docker.io", repository: "library/nginx", tag: "latest" }`.
 */
export interface Reference {
  /** Host, with port when given; `index.docker.io` becomes `docker.io`. Not yet the API host. */
  readonly registry: string;
  readonly repository: string;
  /** Absent only when a digest is given without a tag. */
  readonly tag?: string;
  readonly digest?: Digest;
}
