import { readFile, stat } from "node:fs/promises";
import { VarveError } from "@varve/errors";
import type { BuildOptions } from "../build-options.ts";

/** BuildKit's limit on a secret, bytes. */
const LIMIT = 500 * 1024;

/** The value of a secret given to the build; `undefined` when none of that id was. Throws BUILD_SECRET_MISSING when its file or variable isn't there. */
export async function readSecret(options: BuildOptions, id: string): Promise<Uint8Array | undefined> {
  const given = options.secrets?.find((secret) => secret.id === id);
  if (given === undefined) return undefined;
  // as buildx: without a source the id names a variable, or else a file
  const name = given.env ?? (given.file === undefined && process.env[id] !== undefined ? id : undefined);
  if (name !== undefined) {
    const value = process.env[name];
    if (value === undefined) throw new VarveError("BUILD_SECRET_MISSING", `secret ${id}: the environment has no ${name}`);
    return new TextEncoder().encode(value);
  }
  const file = given.file ?? id;
  try {
    if ((await stat(file)).size > LIMIT) throw new VarveError("BUILD_SECRET_MISSING", `secret ${id}: ${file} is larger than ${LIMIT / 1024} KiB`);
    return await readFile(file);
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    throw new VarveError("BUILD_SECRET_MISSING", `secret ${id}: cannot read ${file}`, { cause, hint: (cause as Error).message });
  }
}

/** The agent socket given for an ssh id; `undefined` when none was. */
export function sshSocket(options: BuildOptions, id: string): string | undefined {
  const given = options.ssh?.find((ssh) => ssh.id === id);
  if (given === undefined) return undefined;
  const socket = given.socket ?? process.env["SSH_AUTH_SOCK"];
  if (socket === undefined || socket === "")
    throw new VarveError("BUILD_SECRET_MISSING", `ssh agent ${id}: no socket was given and SSH_AUTH_SOCK is not set`, {
      hint: "start an ssh agent, or give --ssh default=SOCKET",
    });
  return socket;
}
