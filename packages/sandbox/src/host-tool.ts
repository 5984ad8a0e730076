import { accessSync, constants, statSync } from "node:fs";
import { VarveError } from "@varve/errors";

const DIRECTORIES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Absolute path of a program of the host, found before any root changes: where `path` (`$PATH`) says, then in the usual places.
 * Relative directories of `path` are left out. `undefined` when there is none.
 */
export function findHostTool(name: string, path: string = process.env["PATH"] ?? ""): string | undefined {
  for (const directory of [...path.split(":").filter((d) => d.startsWith("/")), ...DIRECTORIES]) {
    const file = `${directory}/${name}`;
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // the next place may have it
    }
  }
  return undefined;
}

/** As {@link findHostTool}; SANDBOX_UNAVAILABLE when there is none. */
export function requireHostTool(name: string, debianPackage: string): string {
  const found = findHostTool(name);
  if (found === undefined)
    throw new VarveError("SANDBOX_UNAVAILABLE", `${name} is not installed`, { hint: `install it (Debian: apt-get install ${debianPackage})` });
  return found;
}
