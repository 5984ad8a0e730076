import { realpathSync } from "node:fs";
import { join } from "node:path";
import { type ForeseenFind, foreseeFind } from "@varve/sandbox";
import { keepOwn, readOwn } from "./own-files.ts";

/** Notes that are kept, one a context and Dockerfile. */
const KEPT = 64;

/** Words that mean a stream: whoever writes it may still be writing the context, as in `generate | varve build -f - .` */
const STREAM = /^(?:-|-f-|--[a-z-]+=-)$|\/(?:dev|proc)\//;

/** What is known of a build's listing before the program is loaded. */
export interface ForeseenListing {
  /** Ends what was not taken over, and where the command succeeded keeps what it asked for, for the next time; best effort. For the end of the process. */
  close(succeeded: boolean): void;
}

/**
 * Begins, before the program is loaded, to list the directory that the last build of the same context listed first (20,000 files take `find` longer than
 * the program takes to load, on another core). What the words of a command line mean is not asked here: any of them may be the context, and the program takes
 * the listing over if it is just the one it wants, and else ends it. Nothing is begun where a word means a stream. `home`: the
 * store's folder.
 */
export function foreseeListing(home: string, words: readonly string[]): ForeseenListing {
  const folder = join(home, "listed");
  const contexts = words.filter((word) => !word.startsWith("-")).toReversed();
  let noted: string | undefined;
  const expected = words.some((word) => STREAM.test(word)) ? [] : contexts;
  for (const context of expected) if ((noted = readOwn(folder, nameOf(context, words))?.toString("utf8")) !== undefined) break;
  const foreseen = foreseeFind(parse(noted), join(home, "spool"));
  return {
    close(succeeded) {
      foreseen.end();
      const { asked } = foreseen;
      if (!succeeded || asked === undefined || JSON.stringify(asked) === noted) return;
      const context = contexts.find((word) => isAt(word, asked.directory));
      if (context !== undefined) keep(folder, nameOf(context, words), JSON.stringify(asked));
    },
  };
}

/** A context's ignore file may be its Dockerfile's own. Names and tags of an image change nothing about a listing. */
function nameOf(context: string, words: readonly string[]): string {
  const dockerfile = words.filter((word, at) => /^(?:-f|--file=)./.test(word) || /^(?:-f|--file)$/.test(words[at - 1] ?? ""));
  return `${shortDigest(JSON.stringify([workingDirectory(), context, ...dockerfile]))}.json`;
}

/** FNV-1a of two halves: node:crypto takes longer to load, and where two texts have one, what is begun is ended again. */
function shortDigest(text: string): string {
  let even = 0x811c9dc5;
  let odd = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    even = Math.imul(even ^ code, 0x01000193);
    odd = Math.imul(odd ^ (code + at), 0x01000193);
  }
  return [even, odd].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    // it was removed
    return undefined;
  }
}

function isAt(path: string, directory: string): boolean {
  try {
    return realpathSync(path) === directory;
  } catch {
    return false;
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
