import { stat } from "node:fs/promises";
import { VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import type { BuildOptions } from "../build-options.ts";
import { readSmallFile } from "../text-file.ts";

/** BuildKit's limit on a secret, bytes. */
const LIMIT = 500 * 1024;

/** Finds out before the build that every secret and agent that was given is there. Throws BUILD_SECRET_MISSING. */
export async function requireSecrets(options: BuildOptions): Promise<void> {
  for (const secret of options.secrets ?? []) await findSecret(secret);
  for (const { id } of options.ssh ?? []) sshSocket(options, id);
}

/** The value of a secret given to the build; `undefined` when none of that id was. Throws BUILD_SECRET_MISSING when its file or variable isn't there. */
export async function readSecret(options: BuildOptions, id: string, io: IOOptions): Promise<Uint8Array | undefined> {
  const given = options.secrets?.find((secret) => secret.id === id);
  if (given === undefined) return undefined;
  const { value, file } = await findSecret(given);
  if (value !== undefined) return new TextEncoder().encode(value);
  return readSmallFile(file, LIMIT, () => tooLarge(id, file), io).catch((cause: unknown) => refuse(id, file, cause));
}

/** Shorter lines are not secrets by themselves, and would shred what is printed; bytes of a secret of which lines are told apart. */
const LINE = 8;
const LINES_LIMIT = 4096;

/** What must not be printed of a secret: the whole, and its lines where it is a small file of several (`.npmrc`, `.netrc`, a key). */
export function secretParts(value: string): readonly string[] {
  const lines = value.length > LINES_LIMIT ? [] : value.split(/\r?\n/).map((line) => line.trim());
  return [value, value.trim(), ...lines.filter((line) => line.length >= LINE)];
}

type GivenSecret = NonNullable<BuildOptions["secrets"]>[number];

/** A variable's value, or the file to read: it may be a pipe, which can be read once only. */
async function findSecret({ id, env, file: given }: GivenSecret): Promise<{ readonly file: string; readonly value?: string }> {
  // as buildx: without a source the id names a variable, or else a file
  const name = env ?? (given === undefined && process.env[id] !== undefined ? id : undefined);
  const file = given ?? id;
  if (name !== undefined) {
    const value = process.env[name];
    if (value === undefined) throw new VarveError("BUILD_SECRET_MISSING", `secret ${id}: the environment has no ${name}`);
    return { file, value };
  }
  const { size } = await stat(file).catch((cause: unknown) => refuse(id, file, cause));
  if (size > LIMIT) throw tooLarge(id, file);
  return { file };
}

function tooLarge(id: string, file: string): VarveError {
  return new VarveError("BUILD_SECRET_MISSING", `secret ${id}: ${file} is larger than ${LIMIT / 1024} KiB`);
}

function refuse(id: string, file: string, cause: unknown): never {
  if (cause instanceof VarveError || (cause instanceof Error && cause.name === "AbortError")) throw cause;
  throw new VarveError("BUILD_SECRET_MISSING", `secret ${id}: cannot read ${file}`, { cause, hint: (cause as Error).message });
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
