import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ForeseenFind, foreseeFind } from "@varve/sandbox";
import { keepOwn, readOwn } from "./own-files.ts";

/** Notes that are kept, one a command line and working directory. */
const KEPT = 64;

/** Words that mean a stream: whoever writes it may still be writing the context, as in `generate | varve build -f - .` */
const STREAM = /^(?:-|-f-|--[a-z-]+=-)$|\/(?:dev|proc)\//;

/** What is known of a command's listing before the program is loaded. */
export interface ForeseenListing {
  /** Ends what was not taken over, and where the command succeeded keeps what it asked for, for the next time; best effort. For the end of the process. */
  close(succeeded: boolean): void;
}

/**
 * Begins, before the program is loaded, to list the directory that the last run of the same words in the same place listed first (20,000 files take
 * `find` longer than the program takes to load, on another core). What the words mean is not asked here: the program takes the listing over if it is just
 * the one it wants, and else ends it. Nothing is begun where a word means a stream. `home`: the store's folder.
 */
export function foreseeListing(home: string, words: readonly string[]): ForeseenListing {
  const folder = join(home, "listed");
  const name = `${createHash("sha256")
    .update(JSON.stringify([workingDirectory(), ...words]))
    .digest("hex")}.json`;
  const noted = words.some((word) => STREAM.test(word)) ? undefined : readOwn(folder, name)?.toString("utf8");
  const foreseen = foreseeFind(parse(noted), join(home, "spool"));
  return {
    close(succeeded) {
      foreseen.end();
      const asked = JSON.stringify(foreseen.asked);
      if (succeeded && asked !== undefined && asked !== noted) keep(folder, name, asked);
    },
  };
}

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    // it was removed
    return undefined;
  }
}

function parse(noted: string | undefined): ForeseenFind["asked"] {
  try {
    return noted === undefined ? undefined : (JSON.parse(noted) as ForeseenFind["asked"]);
  } catch {
    return undefined;
  }
}

function keep(folder: string, name: string, text: string): void {
  try {
    keepOwn(folder, name, Buffer.from(text), KEPT);
  } catch {
    // nowhere to write: the next run begins later
  }
}
