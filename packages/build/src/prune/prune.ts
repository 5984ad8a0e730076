import { randomUUID } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type IOOptions, parseDigest, parseDiffID } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { type Inventory, type InventoryItem, type StoredThing, takeInventory } from "./inventory.ts";

/** What goes. Images and containers stay whatever it says. */
export interface PruneRule {
  /** What a build could use again goes when it was not used for this many milliseconds (default: a week). */
  readonly unusedFor?: number;
  /** All of that goes, cache mounts too. */
  readonly all?: boolean;
}

/** What {@link pruneStore} takes. */
export interface PruneOptions extends PruneRule, IOOptions {
  /** The store's folder. */
  readonly home: string;
  /** Tells what would go. */
  readonly dryRun?: boolean;
  /** Called once when a build or another user of the store has to be waited for. */
  readonly onWait?: () => void;
}

/** How much there is of a kind. */
export interface StoredAmount {
  readonly kind: StoredThing;
  readonly count: number;
  /** Of disk. */
  readonly bytes: number;
}

/** What a prune did. */
export interface PruneResult {
  readonly removed: readonly StoredAmount[];
  /** Folders that belong to other ids of a user namespace, which only root can remove. */
  readonly left: readonly StoredAmount[];
}

/** What a store holds, and what of it a prune with the same rule would free. */
export interface UsageRow extends StoredAmount {
  readonly reclaimable: number;
}

const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Removes what no image and no container needs: what nothing can use any more, and what of the cache was not used for long. Waits until nobody uses the
 * store; builds that start meanwhile wait for what is quick (to look, and to move things out of the way), not for the deletion.
 */
export async function pruneStore(options: PruneOptions): Promise<PruneResult> {
  const io: IOOptions = options.signal === undefined ? {} : { signal: options.signal };
  await using store = await openStore({ root: options.home, ...io });
  if (options.dryRun === true) return { removed: amounts(removable(await takeInventory(store, io), options)), left: [] };
  const trash = await store.directory("trash", randomUUID());
  try {
    return await store.whileUnleased(
      async () => {
        const removed: InventoryItem[] = [];
        const left: InventoryItem[] = [];
        for (const item of removable(await takeInventory(store, io), options)) {
          io.signal?.throwIfAborted();
          if (item.path !== trash) ((await putAway(store, item, trash)) ? removed : left).push(item);
        }
        return { removed: amounts(removed), left: amounts(left) };
      },
      { ...io, onWait: options.onWait },
    );
  } finally {
    // what can't be removed is found again as a leftover
    await rm(trash, { recursive: true, force: true }).catch(() => {});
  }
}

/** What a store holds, by kind. */
export async function storeUsage(options: PruneRule & IOOptions & { readonly home: string }): Promise<readonly UsageRow[]> {
  const io: IOOptions = options.signal === undefined ? {} : { signal: options.signal };
  await using store = await openStore({ root: options.home, ...io });
  const inventory = await takeInventory(store, io);
  const free = new Map(amounts(removable(inventory, options)).map(({ kind, bytes }) => [kind, bytes]));
  return amounts(inventory.items).map((row) => ({ ...row, reclaimable: free.get(row.kind) ?? 0 }));
}

/** What a rule takes of an inventory: cache records first, since what only they need goes with them. */
function removable({ items, images, containers }: Inventory, { unusedFor = WEEK_MS, all = false }: PruneRule): readonly InventoryItem[] {
  const cutoff = Date.now() - unusedFor;
  const isOld = ({ used }: InventoryItem): boolean => all || used < cutoff;
  const stored = new Set(items.flatMap(({ kind, digest }) => (kind === "blob" ? [digest ?? ""] : [])));
  // a record whose blob is gone can't be used
  const isUseless = ({ needs = [] }: InventoryItem): boolean =>
    needs.length === 0 || (needs.length > 1 && !needs.slice(1).every((digest) => stored.has(digest)));
  const records = items.filter((item) => item.kind === "cache record" && (isOld(item) || isUseless(item)));
  const going = new Set(records);
  const needed = new Set([...images, ...containers]);
  for (const item of items) if (item.kind === "cache record" && !going.has(item)) for (const digest of item.needs ?? []) needed.add(digest);
  return items.filter((item) => {
    const isNeeded = item.digest !== undefined && needed.has(item.digest);
    switch (item.kind) {
      case "blob":
        return !isNeeded;
      case "layer index":
        // of a base in a registry it saves reading the layer
        return !isNeeded && isOld(item);
      case "cache record":
        return going.has(item);
      case "snapshot":
      case "context listing":
        return isOld(item);
      case "cache mount":
        return all;
      case "leftover":
        return true;
    }
  });
}

/** A folder is moved before it is removed: half of one must not be found under its name. `false` for one that is not ours to move. */
async function putAway(store: Store, { kind, digest, path }: InventoryItem, trash: string): Promise<boolean> {
  if (digest !== undefined && (kind === "blob" || kind === "layer index")) {
    await store.discard(kind, kind === "blob" ? parseDigest(digest) : parseDiffID(digest));
    return true;
  }
  try {
    if (path !== undefined) await rename(path, join(trash, randomUUID()));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // gone meanwhile, by another's hand; or of another id of a user namespace
    if (code === "ENOENT") return true;
    if (code === "EACCES" || code === "EPERM") return false;
    throw error;
  }
}

function amounts(items: readonly InventoryItem[]): readonly StoredAmount[] {
  const rows = new Map<StoredThing, StoredAmount>();
  for (const { kind, bytes } of items) {
    const row = rows.get(kind) ?? { kind, count: 0, bytes: 0 };
    rows.set(kind, { kind, count: row.count + 1, bytes: row.bytes + bytes });
  }
  return [...rows.values()];
}
