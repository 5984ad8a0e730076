import type { FileHandle } from "node:fs/promises";
import { takeRoom } from "@varve/bytes";
import { diskError } from "./disk-error.ts";

const PIECE = 512 * 1024;

/** How far a file has been written, for those who read it meanwhile. */
export interface Growth {
  add(bytes: number): void;
  /** Nothing more comes. */
  end(): void;
  /** It will not be finished; does nothing after `end`. */
  fail(error: Error): void;
  /** Resolves to how much there is once that is more than `known`, or nothing more comes; rejects once it failed. */
  beyond(known: number): Promise<number>;
}

/** Of an empty file. */
export function createGrowth(): Growth {
  let size = 0;
  let state: "growing" | "ended" | Error = "growing";
  let waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  return {
    add(bytes) {
      size += bytes;
      wake();
    },
    end() {
      state = "ended";
      wake();
    },
    fail(error) {
      if (state === "growing") state = error;
      wake();
    },
    async beyond(known) {
      for (;;) {
        if (state instanceof Error) throw state;
        if (state === "ended" || size > known) return size;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

/** The bytes of a file while it is written; it is opened by the first read, and closed. */
export async function* readGrowingFile(openFile: () => Promise<FileHandle>, growth: Growth): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await openFile();
  try {
    let at = 0;
    for (let size = await growth.beyond(at); at < size; size = await growth.beyond(at)) {
      // whoever is done with a piece may give it back
      const piece = takeRoom(Math.min(PIECE, size - at));
      const { bytesRead } = await handle.read(piece, 0, piece.length, at).catch((error: unknown) => {
        throw diskError(error, "read a blob");
      });
      at += bytesRead;
      yield bytesRead === piece.length ? piece : piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
