import type { Digest, IOOptions } from "@varve/oci";
import { type FindListing, type FindRun, startFind } from "@varve/sandbox";
import { listDirectory, type ListOptions } from "./directory-walk.ts";
import { foundFingerprint, listFound, prunedByFind } from "./found-listing.ts";
import type { Listing } from "./listing.ts";

/** A listing, and how far it can be trusted. */
export interface Listed {
  readonly listing: Listing;
  /** When listing began, milliseconds since the epoch. */
  readonly since: number;
  /** Whether a change after the listing began would be seen by the next one. */
  readonly settled: boolean;
}

/** A directory that is listed once, by `find` where there is one, else by a walk of our own. Both give the same. */
export interface ListedDirectory extends AsyncDisposable {
  /** Begins what can be done by another process. */
  begin(): void;
  /** Says, without a listing being made, that nothing changed since another time it was asked: the same then. `undefined` where it can't be told. */
  quickFingerprint(): Promise<Digest | undefined>;
  /** What `find` printed, and when listing began, milliseconds since the epoch; `undefined` where it wasn't or couldn't be asked. */
  printed(): Promise<{ readonly found: FindListing; readonly since: number } | undefined>;
  /** Whether it was listed, or is being. */
  readonly isListed: boolean;
  /** Throws CONTEXT_UNREADABLE. */
  list(io?: IOOptions): Promise<Listed>;
}

/** How a {@link ListedDirectory} lists. */
export interface ListedDirectoryOptions extends ListOptions {
  /** Where the output of `find` may lie for a moment; without one it isn't asked. */
  readonly spool: string | undefined;
  /** Milliseconds a file must have rested to be seen when it changes. */
  readonly settledAfter: number;
}

/** Nothing is listed until it is asked for. `root` is absolute. */
export function createListedDirectory(root: string, options: ListedDirectoryOptions): ListedDirectory {
  let since: number | undefined;
  let run: FindRun | undefined;
  let listed: Promise<Listed> | undefined;
  let quick: Promise<Digest | undefined> | undefined;

  const begin = (): void => {
    if (since !== undefined) return;
    since = Date.now();
    const pruned = options.spool === undefined ? undefined : prunedByFind(root, options);
    if (options.spool === undefined || pruned === undefined) return;
    run = startFind(root, { ...pruned, spool: options.spool, signal: options.signal });
    // it may have been under way already
    since = Math.min(since, run.began);
  };
  const found = async (): Promise<FindListing | undefined> => {
    begin();
    return run?.listing;
  };
  const list = async (io: IOOptions | undefined): Promise<Listed> => {
    const printed = await found();
    io?.signal?.throwIfAborted();
    const listing = (printed === undefined ? undefined : listFound(root, printed, options)) ?? (await listDirectory(root, { ...options, ...io }));
    const began = since ?? 0;
    return { listing, since: began, settled: began - listing.newest() >= options.settledAfter };
  };
  return {
    begin,
    quickFingerprint: () => (quick ??= found().then((printed) => (printed === undefined ? undefined : foundFingerprint(printed, options)))),
    async printed() {
      const printed = await found();
      return printed === undefined || since === undefined ? undefined : { found: printed, since };
    },
    get isListed() {
      return listed !== undefined;
    },
    list: (io) => (listed ??= list(io)),
    [Symbol.asyncDispose]: async () => run?.[Symbol.asyncDispose](),
  };
}
