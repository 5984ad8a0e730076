import { type ByteStream, streamOf } from "@varve/bytes";
import {
  type Descriptor,
  type Digest,
  type Existence,
  type Fetcher,
  type IOOptions,
  isIndexType,
  isManifestType,
  type Mounter,
  parseIndex,
  parseManifest,
  type Pusher,
} from "@varve/oci";
import { fetchDocument, INDEX_DEPTH_LIMIT, tooNested } from "./document.ts";
import { isForeignLayer } from "./layer-type.ts";
import { createSemaphore, type Semaphore } from "./semaphore.ts";

/** Where a graph can be copied to. */
export type CopyTarget = Existence & Pusher & Partial<Mounter>;

/** What {@link copyGraph} tells; a blob begins with `started` (when bytes move) and ends with `finished`. */
export type CopyEvent =
  | { readonly type: "started"; readonly descriptor: Descriptor }
  /** Bytes read so far; falls back when an upload starts over. */
  | { readonly type: "progress"; readonly descriptor: Descriptor; readonly current: number; readonly total: number }
  /** `skipped`: a foreign layer, which stays where its `urls` say. */
  | { readonly type: "finished"; readonly descriptor: Descriptor; readonly outcome: "copied" | "exists" | "mounted" | "skipped" };

/** Options of {@link copyGraph}. */
export interface CopyOptions extends IOOptions {
  /** Blobs and manifests in flight (default 4). */
  readonly concurrency?: number | undefined;
  /** Repositories of the target's registry that may hold a blob, best first; each is asked to mount it before bytes are moved. */
  readonly mountFrom?: ((descriptor: Descriptor) => readonly string[]) | undefined;
  /**
   * Whether a manifest that is there already means that all it names is there too. Default: true for targets that can mount (registries
   * refuse a manifest whose blobs they lack), else false.
   */
  readonly trustExisting?: boolean | undefined;
  readonly onProgress?: ((event: CopyEvent) => void) | undefined;
}

/**
 * Copies `root` and everything it names; behind push, pull, save, load and cache upload. Children go before what names them, so
 * that a manifest is visible only when it is complete. What the target has is not read; equal digests are moved once, also among copies
 * to one target that run at the same time. When anything fails, everything else is aborted and settled before this rejects.
 */
export async function copyGraph(source: Fetcher, target: CopyTarget, root: Descriptor, options: CopyOptions = {}): Promise<void> {
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  signal.throwIfAborted();
  const copy: Copy = {
    source,
    target,
    options,
    signal,
    semaphore: createSemaphore(options.concurrency ?? 4),
    trustExisting: options.trustExisting ?? target.mount !== undefined,
    seen: new Map(),
    abort: (reason) => failure.abort(reason),
  };
  await copyNode(copy, root, 0);
}

interface Copy {
  readonly source: Fetcher;
  readonly target: CopyTarget;
  readonly options: CopyOptions;
  readonly signal: AbortSignal;
  readonly semaphore: Semaphore;
  readonly trustExisting: boolean;
  readonly seen: Map<Digest, Promise<void>>;
  readonly abort: (reason: unknown) => void;
}

function copyNode(copy: Copy, descriptor: Descriptor, depth: number): Promise<void> {
  const running = copy.seen.get(descriptor.digest);
  if (running !== undefined) return running;
  const isIndex = isIndexType(descriptor.mediaType);
  const work = isIndex || isManifestType(descriptor.mediaType) ? copyManifest(copy, descriptor, depth) : copyBlob(copy, descriptor);
  copy.seen.set(descriptor.digest, work);
  return work;
}

async function copyManifest(copy: Copy, descriptor: Descriptor, depth: number): Promise<void> {
  const { source, target, semaphore, signal } = copy;
  const exists = await semaphore.run(() => target.has(descriptor, { signal }));
  if (exists && copy.trustExisting) return finish(copy, descriptor, "exists");
  const bytes = await semaphore.run(() => fetchDocument(source, descriptor, { signal }));
  const children = childrenOf(descriptor, bytes, depth);
  await allSettled(
    copy,
    children.map((child) => copyNode(copy, child, depth + 1)),
  );
  if (exists) return finish(copy, descriptor, "exists");
  copy.options.onProgress?.({ type: "started", descriptor });
  await semaphore.run(() => target.push(descriptor, async () => streamOf(bytes), { signal }));
  finish(copy, descriptor, "copied");
}

function childrenOf(descriptor: Descriptor, bytes: Uint8Array, depth: number): readonly Descriptor[] {
  if (!isIndexType(descriptor.mediaType)) {
    const { config, layers } = parseManifest(bytes, descriptor.mediaType);
    return [config, ...layers];
  }
  if (depth === INDEX_DEPTH_LIMIT) throw tooNested(descriptor);
  return parseIndex(bytes, descriptor.mediaType).manifests;
}

/** As Promise.all, but rejects only when nothing runs any more; the first failure aborts the rest. */
async function allSettled(copy: Copy, work: readonly Promise<void>[]): Promise<void> {
  let failed: { readonly reason: unknown } | undefined;
  await Promise.all(
    work.map((each) =>
      each.catch((reason: unknown) => {
        failed ??= { reason };
        copy.abort(reason);
      }),
    ),
  );
  if (failed !== undefined) throw failed.reason;
}

/** Blobs on their way to a target, by digest: two builds that push the same base to one repository upload it once. */
const inFlight = new WeakMap<CopyTarget, Map<Digest, Promise<unknown>>>();

async function copyBlob(copy: Copy, descriptor: Descriptor): Promise<void> {
  if (isForeignLayer(descriptor) && descriptor.urls !== undefined && descriptor.urls.length > 0) return finish(copy, descriptor, "skipped");
  const flights = inFlight.get(copy.target) ?? new Map<Digest, Promise<unknown>>();
  inFlight.set(copy.target, flights);
  // what another copy began may fail for reasons of its own; then this one goes for itself
  for (let other = flights.get(descriptor.digest); other !== undefined; other = flights.get(descriptor.digest)) {
    const arrived = await other.then(
      () => true,
      () => false,
    );
    copy.signal.throwIfAborted();
    if (arrived) return finish(copy, descriptor, "exists");
  }
  const own = copy.semaphore.run(() => moveBlob(copy, descriptor));
  flights.set(descriptor.digest, own);
  try {
    finish(copy, descriptor, await own);
  } finally {
    flights.delete(descriptor.digest);
  }
}

async function moveBlob(copy: Copy, descriptor: Descriptor): Promise<"copied" | "exists" | "mounted"> {
  const { source, target, options, signal } = copy;
  signal.throwIfAborted();
  if (await target.has(descriptor, { signal })) return "exists";
  if (target.mount !== undefined) {
    for (const repository of options.mountFrom?.(descriptor) ?? []) {
      if (await target.mount(descriptor, repository, { signal })) return "mounted";
    }
  }
  options.onProgress?.({ type: "started", descriptor });
  await target.push(descriptor, async () => counted(copy, descriptor, await source.fetch(descriptor, { signal })), { signal });
  return "copied";
}

async function* counted(copy: Copy, descriptor: Descriptor, stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  let current = 0;
  for await (const piece of stream) {
    yield piece;
    current += piece.length;
    copy.options.onProgress?.({ type: "progress", descriptor, current, total: descriptor.size });
  }
}

function finish(copy: Copy, descriptor: Descriptor, outcome: "copied" | "exists" | "mounted" | "skipped"): void {
  copy.options.onProgress?.({ type: "finished", descriptor, outcome });
}
