import type { BytePath } from "@varve/bytes";
import { createProgram } from "./launcher/program.ts";
import { runProgram } from "./launcher/program-runner.ts";
import { reportData } from "./launcher/report.ts";
import { launcherArch } from "./launcher/system-call.ts";
import type { Xattrs } from "./xattr-reader.ts";

/** A file that is to have attributes: where it is on this machine, as bytes. */
export interface XattrTarget {
  readonly path: BytePath;
  readonly xattrs: Xattrs;
}

const CALLS_PER_PROGRAM = 4000;

/**
 * Sets extended attributes; symlinks are not followed at a path's end. Gives the paths that lack one of theirs afterwards: setting capabilities
 * takes a privilege, and not every file system has attributes. `launcher` is the path of an open launcher.
 */
export async function writeXattrs(launcher: string, targets: readonly XattrTarget[]): Promise<readonly BytePath[]> {
  const calls = targets.flatMap(({ path, xattrs }) => [...xattrs].map(([name, value]) => ({ path, name, value })));
  const incomplete = new Set<BytePath>();
  for (let at = 0; at < calls.length; at += CALLS_PER_PROGRAM) {
    const part = calls.slice(at, at + CALLS_PER_PROGRAM);
    const program = createProgram(launcherArch());
    const results = program.buffer(8 * part.length);
    for (const [i, { path, name, value }] of part.entries()) {
      const about = { label: "set an attribute", onError: "ignore", result: { address: results.address + 8 * i } } as const;
      program.call(about, "lsetxattr", program.string(path), program.string(name), program.data(value), value.length, 0);
    }
    reportData(program, results, 8 * part.length);
    const { data } = await runProgram(launcher, program.finish());
    const words = data === undefined ? undefined : Buffer.from(data.buffer, data.byteOffset, data.length);
    for (const [i, { path }] of part.entries()) if (words?.readInt32LE(8 * i) !== 0) incomplete.add(path);
  }
  return [...incomplete];
}
