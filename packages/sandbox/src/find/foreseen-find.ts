import { closeSync } from "node:fs";
import { isAbsolute } from "node:path";
import { findArguments, type FindProcess, type FindRequest, spawnFind } from "./find-process.ts";

/** What the program and the file that loads it share, which are bundles of their own. */
interface Foresight {
  begun: FindProcess | undefined;
  asked: FindRequest | undefined;
}

const KEY = Symbol.for("varve.find");
const place = globalThis as { [KEY]?: Foresight };

/** What is known, before a program is loaded, of the first listing it will ask for. */
export interface ForeseenFind {
  /** What was asked for first, so far: what to begin with in a later run of the same kind. */
  readonly asked: FindRequest | undefined;
  /** Ends what was begun, unless it was taken over. */
  end(): void;
}

/**
 * Begins to list what is expected to be asked for, while the program is loaded; nothing, where `expected` isn't a {@link FindRequest}. `startFind` takes it
 * over when it is asked for just that. For the start of a process, once.
 */
export function foreseeFind(expected: unknown, spool: string): ForeseenFind {
  const foresight: Foresight = { begun: isRequest(expected) ? spawnFind(expected, spool) : undefined, asked: undefined };
  place[KEY] = foresight;
  return {
    get asked() {
      return foresight.asked;
    },
    end() {
      foresight.begun?.stop();
      foresight.begun = undefined;
    },
  };
}

/** What was begun before, if it is just this; if it isn't, it is ended. `undefined` where nothing was, and for all requests but the first. */
export function takeForeseen(request: FindRequest): FindProcess | undefined {
  const foresight = place[KEY];
  if (foresight === undefined || foresight.asked !== undefined) return undefined;
  foresight.asked = request;
  const { begun } = foresight;
  foresight.begun = undefined;
  if (begun === undefined) return undefined;
  const isIt = begun.directory === request.directory && JSON.stringify(begun.args) === JSON.stringify(findArguments(request));
  if (isIt) return begun;
  begun.stop();
  void begun.succeeded.then(() => closeSync(begun.fd));
  return undefined;
}

function isRequest(value: unknown): value is FindRequest {
  if (typeof value !== "object" || value === null) return false;
  const { directory, prunedPaths = [], prunedNames = [] } = value as { readonly [key in keyof FindRequest]: unknown };
  return typeof directory === "string" && isAbsolute(directory) && isTexts(prunedPaths) && isTexts(prunedNames);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}
