import { lstatSync } from "node:fs";
import { tmpdir } from "node:os";
import type { BytePath } from "@varve/bytes";
import { isVarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { type Launcher, openLauncher, readXattrs, type Xattrs } from "@varve/sandbox";
import type { FileState } from "./file-states.ts";
import type { ListedHolder, Listing } from "./listing.ts";
import type { StatCache } from "./stat-cache.ts";

/** How a listing's extended attributes are read. */
export interface ListedXattrOptions extends IOOptions {
  /** Of the listed directory, in bytes, without a slash at its end. */
  readonly root: string;
  /** When the listing began, milliseconds since the epoch. */
  readonly since: number;
  /** Knows which files have none. */
  readonly cache: StatCache | undefined;
  /** Where a launcher may be made, before the temporary directory. */
  readonly directory: string | undefined;
  /** Called once when they can't be read, with a clause for people. */
  readonly onLoss: (message: string) => void;
}

/** Nowhere else is there a launcher, nor, on macOS, an attribute that an image could have. */
const POSSIBLE = process.platform === "linux";
/** Files one process is asked about. */
const BATCH = 20_000;

/**
 * Adds the extended attributes that are kept to a listing. Node has no call for them, so the launcher of `@varve/sandbox` asks; one process
 * for some thousand files, those left out that are known to have none.
 */
export async function readListedXattrs(listing: Listing, options: ListedXattrOptions): Promise<void> {
  if (!POSSIBLE) return;
  await options.cache?.load();
  let launcher: Launcher | undefined;
  let batch: ListedHolder[] = [];
  const flush = async (): Promise<void> => {
    options.signal?.throwIfAborted();
    launcher ??= await launcherIn(options.directory);
    await readBatch(listing, launcher, batch, options);
    batch = [];
  };
  try {
    for (const holder of listing.holders()) {
      if (options.cache?.isBare(holder.state) === true) continue;
      if (batch.push(holder) === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
  } catch (error) {
    if (!isVarveError(error, "SANDBOX_UNAVAILABLE", "SANDBOX_HELPER_FAILED")) throw error;
    options.onLoss(`extended attributes of the context's files cannot be read (${error.message}): capabilities they may have are left out`);
  } finally {
    launcher?.close();
  }
}

async function readBatch(listing: Listing, launcher: Launcher, batch: readonly ListedHolder[], { root, since, cache }: ListedXattrOptions): Promise<void> {
  const pathOf = (path: BytePath): BytePath => `${root}/${path}` as BytePath;
  const read = await readXattrs(
    launcher.path,
    batch.map(({ path, type }) => ({ path: pathOf(path), type })),
  );
  for (const { row, path, state } of batch) {
    const xattrs = read.get(pathOf(path));
    if (xattrs === undefined) cache?.recordBare(state, since);
    // a path can lead elsewhere once something on it was replaced by a symlink
    else if (isStill(pathOf(path), state)) listing.setXattrs(row, xattrs);
  }
}

/** The extended attributes that are kept of one file (by host path) that was just found in a state; none where they can't be read. */
export async function xattrsOf(
  path: BytePath,
  state: Pick<FileState, "device" | "inode" | "ctimeNs">,
  directory: string | undefined,
): Promise<Xattrs | undefined> {
  if (!POSSIBLE) return undefined;
  const launcher = await launcherIn(directory).catch(() => undefined);
  try {
    const found = launcher === undefined ? undefined : (await readXattrs(launcher.path, [{ path, type: "file" }])).get(path);
    return found !== undefined && isStill(path, state) ? found : undefined;
  } finally {
    launcher?.close();
  }
}

function launcherIn(directory: string | undefined): Promise<Launcher> {
  return openLauncher([...(directory === undefined ? [] : [directory]), tmpdir()]);
}

function isStill(path: BytePath, state: Pick<FileState, "device" | "inode" | "ctimeNs">): boolean {
  const stats = lstatSync(Buffer.from(path, "latin1"), { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && stats.ino === state.inode && stats.dev === state.device && stats.ctimeNs === state.ctimeNs;
}
