import type { BlobIngester, Descriptor, Digest, Existence, Fetcher, IOOptions, Pusher, RangeFetcher, Tagger } from "@varve/oci";

/** What the embedded registry needs of a store; `@varve/store`'s Store is one. */
export interface RegistryStore extends Fetcher, RangeFetcher, Existence, Pusher, Tagger, BlobIngester {
  /** Bytes of a stored blob; `undefined` when there is none. */
  blobSize(digest: Digest, options?: IOOptions): Promise<number | undefined>;
  /** Every name. */
  refs(options?: IOOptions): Promise<readonly { readonly name: string; readonly descriptor: Descriptor }[]>;
  /** Keeps everything from being pruned until it is disposed, in a store that is pruned. */
  lease?(options?: IOOptions): Promise<AsyncDisposable>;
  /** Removes a name; `false` when there was none. */
  untag(name: string, options?: IOOptions): Promise<boolean>;
}
