import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

interface Sync {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

const syncs = new Map<string, Sync>();

/**
 * fsync of a directory. Callers that come while one is under way share the one after it: the one under way may have
 * begun before their rename, the next one cannot have.
 */
export function syncDirectory(directory: string): Promise<void> {
  const current = syncs.get(directory);
  if (current !== undefined) return (current.next ??= current.running.catch(() => undefined).then(() => start(directory)));
  return start(directory);
}

function start(directory: string): Promise<void> {
  const running = syncNow(directory);
  const sync: Sync = { running, next: undefined };
  syncs.set(directory, sync);
  const settled = (): void => {
    if (sync.next === undefined && syncs.get(directory) === sync) syncs.delete(directory);
  };
  running.then(settled, settled);
  return running;
}

async function syncNow(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a new file and fsyncs it; mode 0600. Fails when it exists. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts `bytes` at `path` so that a reader sees the old or the new content, never a part, and so that it outlives a power cut. `temporary` is a free name on the same disk. */
export async function replaceDurably(path: string, temporary: string, bytes: Uint8Array): Promise<void> {
  await writeDurably(temporary, bytes);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}
