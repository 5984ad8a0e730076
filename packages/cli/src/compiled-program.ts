import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { wrap } from "node:module";
import { Script } from "node:vm";
import { keepOwn, readOwn } from "./own-files.ts";

/** The function around a CommonJS module. */
export type ModuleBody = (exports: unknown, require: NodeJS.Require, module: NodeJS.Module, filename: string, dirname: string) => void;

/** A program of one file, ready to run. */
export interface CompiledProgram {
  readonly body: ModuleBody;
  /** Whether V8 took what an earlier run had compiled. */
  readonly reused: boolean;
  /** Keeps what was compiled so far for later runs; best effort. Meant for the end of a run, when what it needed is compiled. */
  keep(): void;
}

/** Files that are kept: a command has one of its own, of what it needs; so has another Node or another version of varve. */
const KEPT = 16;
/** Of the digest that begins a file. */
const DIGEST = 32;

/**
 * Compiles a CommonJS program, or takes what V8 made of it in an earlier run of the same command out of `folder`: compiling takes longer than all else of a start. (Node 22.8
 * has a cache of its own, by default below the temporary directory, where another user may have made the folder first.)
 * What is executed must be ours, as {@link readOwn} says. V8 checks its own version, its
 * flags and the source's length; the file's name adds the source itself, and the file's first bytes are a digest of the rest.
 */
export function compileProgram(path: string, folder: string, command = ""): CompiledProgram {
  // the bundle is ASCII, and one byte a character costs V8 least
  const source = readFileSync(path, "latin1");
  const file = `${nameOf(source, command)}.bin`;
  const cachedData = readKept(folder, file);
  const script = new Script(wrap(source), { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
  return {
    body: script.runInThisContext() as ModuleBody,
    reused: cachedData !== undefined && script.cachedDataRejected !== true,
    keep: () => {
      try {
        keepCompiled(script.createCachedData(), folder, file);
      } catch {
        // nowhere to write: the next run compiles again
      }
    },
  };
}

/** Flags of Node change what V8 compiles to. */
function nameOf(source: string, command: string): string {
  const parts = [command, process.version, process.arch, process.execArgv, process.env["NODE_OPTIONS"] ?? "", source.slice(0, source.indexOf("\n"))];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

function readKept(folder: string, file: string): Buffer | undefined {
  const bytes = readOwn(folder, file);
  return bytes !== undefined && digestOf(bytes.subarray(DIGEST)).equals(bytes.subarray(0, DIGEST)) ? bytes.subarray(DIGEST) : undefined;
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function keepCompiled(data: Buffer, folder: string, file: string): void {
  keepOwn(folder, file, Buffer.concat([digestOf(data), data]), KEPT);
}
