import { VarveError } from "@varve/errors";

declare const digest: unique symbol;
declare const diffID: unique symbol;
declare const chainID: unique symbol;

/** Digest of stored bytes: `sha256:` and 64 lower-case hex digits. */
export type Digest = string & { readonly [digest]: true };
/** Digest of a layer's uncompressed tar. */
export type DiffID = string & { readonly [diffID]: true };
/** Digest of a stack of layers (image-spec config.md, "Layer ChainID"). */
export type ChainID = string & { readonly [chainID]: true };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Parses a digest once; what is not one throws OCI_INVALID_DIGEST. */
export function parseDigest(text: string): Digest {
  if (!DIGEST.test(text)) {
    throw new VarveError("OCI_INVALID_DIGEST", `invalid digest ${JSON.stringify(text.slice(0, 100))}`, {
      hint: "a digest is sha256: followed by 64 lower-case hex digits",
    });
  }
  return text as Digest;
}

/** As {@link parseDigest}, for a config's `rootfs.diff_ids`. */
export function parseDiffID(text: string): DiffID {
  return parseDigest(text) as string as DiffID;
}

/** Whether `text` is a digest. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Brands 64 hex digits that a hash has just produced. */
export function digestFromHex(hex: string): Digest {
  // what a hash gives is well formed; testing it by the expression takes longer than hashing a small file
  return hex.length === 64 ? (`sha256:${hex}` as Digest) : parseDigest(`sha256:${hex}`);
}

/** The 64 hex digits, fit for a file name. */
export function digestHex(of: Digest | DiffID | ChainID): string {
  return of.slice("sha256:".length);
}
