import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { VarveError } from "@varve/errors";
import { type Lock, replaceDurably, type Store } from "@varve/store";
import type { Container, ContainerState } from "./container.ts";

/** The containers of a store, one JSON file each under `containers/`. */
export interface ContainerShelf {
  /** Newest first. */
  list(): Promise<readonly Container[]>;
  /** By name, or by the start of its id. Throws BUILD_CONTAINER_NOT_FOUND; BUILD_INVALID_OPTION when several begin so. */
  find(text: string): Promise<Container>;
  state(container: Container): Promise<ContainerState>;
  /** Marks a container as running for as long as the lock is held, and this process lives. */
  hold(id: string): Promise<Lock>;
  /** A reader sees the old or the new record, never a part. */
  save(container: Container): Promise<void>;
  /** Throws BUILD_CONTAINER_RUNNING. */
  remove(container: Container): Promise<void>;
  /** Removes one that is held by the caller. */
  discard(container: Container): Promise<void>;
}

/** Opens a store's containers; the store stays the caller's. */
export async function openContainers(store: Store): Promise<ContainerShelf> {
  const directory = await store.directory("containers");
  const drafts = join(directory, "drafts");
  const pathOf = (id: string): string => join(directory, `${id}.json`);
  const lockOf = (id: string): string => `container ${id}`;

  const list = async (): Promise<readonly Container[]> => {
    const names = (await readdir(directory)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    const read = await Promise.all(names.map(async (name) => readContainer(join(directory, name))));
    return read.filter((container) => container !== undefined).toSorted((a, b) => (a.created < b.created ? 1 : -1));
  };
  const state = async (container: Container): Promise<ContainerState> => {
    if (container.end !== undefined) return "exited";
    await using lock = await store.tryLock(lockOf(container.id), "exclusive");
    return lock === undefined ? "running" : "dead";
  };
  return {
    list,
    state,
    async find(text) {
      const all = await list();
      const named = all.find((container) => container.name === text || container.id === text);
      if (named !== undefined) return named;
      const [found, ...others] = /^[0-9a-f]+$/.test(text) ? all.filter((container) => container.id.startsWith(text)) : [];
      if (others.length > 0) throw new VarveError("BUILD_INVALID_OPTION", `several containers' ids begin with ${text}`, { hint: "give more of the id" });
      if (found !== undefined) return found;
      throw new VarveError("BUILD_CONTAINER_NOT_FOUND", `no container ${JSON.stringify(text)} in the store`, { hint: "varve ps -a lists what is there" });
    },
    hold: (id) => store.lock(lockOf(id), "exclusive"),
    async save(container) {
      await mkdir(drafts, { recursive: true, mode: 0o700 });
      await replaceDurably(pathOf(container.id), join(drafts, randomUUID()), new TextEncoder().encode(`${JSON.stringify(container)}\n`));
    },
    async remove(container) {
      if ((await state(container)) === "running") {
        throw new VarveError("BUILD_CONTAINER_RUNNING", `container ${container.name} is running`, { hint: "end its command first" });
      }
      await rm(pathOf(container.id), { force: true });
    },
    discard: (container) => rm(pathOf(container.id), { force: true }),
  };
}

/** `undefined` for one that was removed meanwhile. */
async function readContainer(path: string): Promise<Container | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Container;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
