import type { Descriptor, Digest, DiffID, IOOptions } from "@varve/oci";

/** The parts a step's key is made of, in order; stored with the record so that a miss can be explained. Values never hold secrets in clear. */
export interface KeyComponent {
  readonly name: string;
  readonly value: string;
}

/** `digest` is sha256 over the canonical JSON of `components`. */
export interface CacheKey {
  readonly digest: Digest;
  readonly components: readonly KeyComponent[];
}

/** What a step gave. */
export interface CacheRecord {
  readonly version: 1;
  readonly key: Digest;
  readonly components: readonly KeyComponent[];
  /** For people: the instruction, e.g. `COPY . /app`. */
  readonly title: string;
  /** The layer the step added. */
  readonly diffID: DiffID;
  /** The stored blob, once it is compressed. */
  readonly blob?: Descriptor;
  /** RFC 3339. */
  readonly created: string;
}

/** Where records are looked up and kept. A lookup that fails is a miss, never an error. */
export interface CacheBackend {
  readonly name: string;
  lookup(key: CacheKey, options?: IOOptions): Promise<CacheRecord | undefined>;
  record(record: CacheRecord, options?: IOOptions): Promise<void>;
}
