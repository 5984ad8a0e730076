import { posix } from "node:path";
import { VarveError } from "@varve/errors";
import type { PlannedMount, RunVertex, VertexID } from "@varve/plan";

interface MountBase {
  /** Absolute, clean. */
  readonly target: string;
}

/** A RUN mount with defaults applied and values checked (fact 41); what it reads is not looked at yet. */
export type MountOptions =
  | (MountBase & { readonly type: "bind"; readonly from: VertexID | undefined; readonly source: string; readonly readonly: boolean })
  | (MountBase & {
      readonly type: "cache";
      readonly from: VertexID | undefined;
      readonly source: string;
      readonly id: string;
      readonly sharing: "shared" | "private" | "locked";
      readonly readonly: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    })
  | (MountBase & { readonly type: "tmpfs"; readonly size: number | undefined })
  /** `target` is there even when only `env` is wanted; `file` tells. */
  | (MountBase & { readonly type: "secret"; readonly id: string; readonly required: boolean; readonly file: boolean; readonly env: string | undefined; readonly mode: number; readonly uid: number; readonly gid: number })
  | (MountBase & { readonly type: "ssh"; readonly id: string; readonly required: boolean; readonly env: string | undefined; readonly mode: number; readonly uid: number; readonly gid: number });

type Fields = Readonly<Record<string, string>>;

const KEYS: Readonly<Record<string, readonly string[]>> = {
  bind: ["type", "target", "source", "from", "readonly", "readwrite"],
  cache: ["type", "target", "source", "from", "readonly", "readwrite", "id", "sharing", "mode", "uid", "gid"],
  tmpfs: ["type", "target", "size"],
  secret: ["type", "target", "id", "required", "mode", "uid", "gid", "env"],
  ssh: ["type", "target", "id", "required", "mode", "uid", "gid"],
};
const ALIASES: Readonly<Record<string, string>> = { dst: "target", destination: "target", src: "source", ro: "readonly", rw: "readwrite" };

/** Reads the fields of one mount. Throws BUILD_MOUNT_INVALID. */
export function parseMountOptions(mount: PlannedMount, vertex: RunVertex, position: number): MountOptions {
  const fields = canonicalFields(mount.fields);
  const type = fields["type"] ?? "bind";
  const keys = KEYS[type];
  if (keys === undefined) throw invalid(`mount type ${JSON.stringify(type)} is not known`, "known types: bind, cache, tmpfs, secret, ssh");
  for (const key of Object.keys(fields)) if (!keys.includes(key)) throw invalid(`a ${type} mount takes no ${key}`, `it takes ${keys.join(", ")}`);
  const target = fields["target"] === undefined ? undefined : posix.resolve("/", vertex.workdir, fields["target"]);
  switch (type) {
    case "secret":
      return secret(fields, target);
    case "ssh":
      return { type, id: fields["id"] ?? "default", target: target ?? `/run/buildkit/ssh_agent.${position}`, required: flag(fields, "required"), env: "SSH_AUTH_SOCK", ...owner(fields, 0o600) };
    default:
      return directory(type as "bind" | "cache" | "tmpfs", fields, mount, required(type, target));
  }
}

function directory(type: "bind" | "cache" | "tmpfs", fields: Fields, mount: PlannedMount, target: string): MountOptions {
  if (type === "tmpfs") return { type, target, size: fields["size"] === undefined ? undefined : bytes(fields["size"]) };
  const source = posix.resolve("/", fields["source"] ?? "/");
  const writable = flag(fields, "readwrite") || ("readonly" in fields && !flag(fields, "readonly"));
  if (type === "bind") return { type, target, from: mount.from, source, readonly: !writable };
  const sharing = fields["sharing"] ?? "shared";
  if (sharing !== "shared" && sharing !== "private" && sharing !== "locked") throw invalid(`sharing ${JSON.stringify(sharing)} is not known`, "known: shared, private, locked");
  return { type, target, from: mount.from, source, id: fields["id"] ?? target, sharing, readonly: flag(fields, "readonly") && !flag(fields, "readwrite"), ...owner(fields, 0o755) };
}

function secret(fields: Fields, target: string | undefined): MountOptions {
  const id = fields["id"] ?? (target === undefined ? undefined : posix.basename(target));
  if (id === undefined || id === "") throw invalid("a secret mount needs an id or a target", "for example --mount=type=secret,id=token");
  const env = fields["env"];
  return { type: "secret", id, target: target ?? `/run/secrets/${posix.basename(id)}`, required: flag(fields, "required"), file: env === undefined || target !== undefined, env, ...owner(fields, 0o400) };
}

function canonicalFields(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [ALIASES[key.toLowerCase()] ?? key.toLowerCase(), value]));
}

function required(type: string, target: string | undefined): string {
  if (target === undefined) throw invalid(`a ${type} mount needs a target`, "add target=/path");
  if (target === "/") throw invalid("a mount cannot be on /", "name a directory below /");
  return target;
}

function owner(fields: Fields, mode: number): { readonly mode: number; readonly uid: number; readonly gid: number } {
  const given = fields["mode"];
  if (given !== undefined && !/^[0-7]{1,5}$/.test(given)) throw invalid(`mode ${JSON.stringify(given)} is not octal`, "for example mode=0400");
  return { mode: given === undefined ? mode : Number.parseInt(given, 8) & 0o7777, uid: id(fields, "uid"), gid: id(fields, "gid") };
}

function id(fields: Fields, key: "uid" | "gid"): number {
  const text = fields[key];
  if (text === undefined) return 0;
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > 0xffff_ffff) throw invalid(`${key} ${JSON.stringify(text)} is not a number`, `for example ${key}=1000`);
  return Number(text);
}

/** A bare `rw` or `required` is true. */
function flag(fields: Fields, key: string): boolean {
  const text = fields[key];
  if (text === undefined) return false;
  if (text === "" || /^true$/i.test(text) || text === "1") return true;
  if (/^false$/i.test(text) || text === "0") return false;
  throw invalid(`${key} ${JSON.stringify(text)} is neither true nor false`, `write ${key}=true or ${key}=false`);
}

/** `64m`, `1GiB`, `1000`: powers of 1024, as Docker's sizes. */
function bytes(text: string): number {
  const [, number = "", unit = ""] = /^([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)i?b?$/i.exec(text) ?? [];
  if (number === "") throw invalid(`size ${JSON.stringify(text)} is not a number of bytes`, "for example size=64m");
  return Math.floor(Number(number) * 1024 ** " kmgtp".indexOf(unit === "" ? " " : unit.toLowerCase()));
}

function invalid(message: string, hint: string): VarveError {
  return new VarveError("BUILD_MOUNT_INVALID", message, { hint });
}
