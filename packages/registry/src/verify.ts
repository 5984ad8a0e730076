import { createHash, type Hash } from "node:crypto";
import { VarveError } from "@varve/errors";
import { type Descriptor, type Digest, digestFromHex } from "@varve/oci";

/** The digest of bytes that are there whole. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestFromHex(createHash("sha256").update(bytes).digest("hex"));
}

/** REGISTRY_DIGEST_MISMATCH for a blob or manifest that is not what its descriptor says. */
export function mismatch(
  descriptor: Pick<Descriptor, "digest" | "size">,
  actual: { readonly digest?: Digest; readonly size: number },
  where: string,
): VarveError {
  const { digest, size } = descriptor;
  const how =
    actual.size !== size
      ? `${actual.size < size ? "" : "at least "}${actual.size} bytes instead of ${size}`
      : `the digest ${actual.digest ?? "of other bytes"} instead`;
  return new VarveError("REGISTRY_DIGEST_MISMATCH", `${digest} ${where} has ${how}`, {
    hint: "the registry, a proxy before it or the disk behind it damages content",
  });
}

/** Checks bytes against a descriptor as they pass. */
export class Verifier {
  readonly #descriptor: Pick<Descriptor, "digest" | "size">;
  readonly #where: string;
  readonly #hash: Hash = createHash("sha256");
  #size = 0;

  constructor(descriptor: Pick<Descriptor, "digest" | "size">, where: string) {
    this.#descriptor = descriptor;
    this.#where = where;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Takes the next bytes; throws once there are too many. */
  update(piece: Uint8Array): void {
    this.#size += piece.length;
    if (this.#size > this.#descriptor.size) throw mismatch(this.#descriptor, { size: this.#size }, this.#where);
    this.#hash.update(piece);
  }

  /** Throws unless what passed is what was announced. */
  finish(): void {
    const digest = digestFromHex(this.#hash.digest("hex"));
    if (this.#size !== this.#descriptor.size || digest !== this.#descriptor.digest) throw mismatch(this.#descriptor, { digest, size: this.#size }, this.#where);
  }
}
