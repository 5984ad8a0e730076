import { collectBytes, toBytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { type ContentReader, type FileTree, resolvePath } from "@varve/layer";
import type { IOOptions } from "@varve/oci";

/** One line of `/etc/passwd`. */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** One line of `/etc/group`. */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** An image's users and groups; empty lists where it has no such file. */
export interface Accounts {
  readonly users: readonly PasswdEntry[];
  readonly groups: readonly GroupEntry[];
}

/** What a process runs as. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one first. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** hardening.md: of passwd and group, bytes. */
const LIMIT = 10 * 1024 * 1024;
/** What an id of passwd and group can be written as. */
const MAX_ID = 0xffff_ffff;
/** The largest id a process may be given, as in Docker: to the kernel the last one of all means "as it is", which is root. */
const MAX_PROCESS_ID = 0x7fff_ffff;

/** Reads users and groups out of a tree; symlinks are followed within it. */
export async function readAccounts(tree: FileTree, reader: ContentReader, options?: IOOptions): Promise<Accounts> {
  const [passwd, group] = await Promise.all([readLines(tree, reader, "etc/passwd", options), readLines(tree, reader, "etc/group", options)]);
  return { users: passwd.flatMap(parsePasswd), groups: group.flatMap(parseGroup) };
}

/**
 * `USER` as runc resolves it (facts 37, 38): a name must exist, a number need not; with `user:group` only that group, else the primary
 * group and those that list the user. Throws BUILD_USER_NOT_FOUND, and BUILD_USER_OUT_OF_RANGE for ids over 2^31 - 1.
 */
export function resolveProcessUser(spec: string, accounts: Accounts): ProcessUser {
  const [userText, groupText] = splitOnce(spec === "" ? "0" : spec);
  const number = parseID(userText);
  const known = accounts.users.find((user) => (userText === "" ? user.uid === 0 : user.name === userText || (number !== undefined && user.uid === number)));
  if (known === undefined && number === undefined && userText !== "") {
    throw new VarveError("BUILD_USER_NOT_FOUND", `user ${JSON.stringify(userText)} is not in the image's /etc/passwd`, {
      hint: "create the user in a RUN step before, or use a number",
    });
  }
  const uid = known?.uid ?? number ?? 0;
  const home = accounts.users.find((user) => user.uid === uid)?.home ?? "";
  const explicit = groupText === undefined || groupText === "" ? undefined : resolveGroup(groupText, accounts);
  const gid = explicit ?? known?.gid ?? 0;
  const memberships = explicit !== undefined || known === undefined ? [] : accounts.groups.filter((group) => group.members.includes(known.name));
  // as containerd, which always has the primary group among the supplementary ones
  const groups = [...new Set([gid, ...memberships.map((group) => group.gid)])];
  requireProcessID("user", uid);
  for (const id of groups) requireProcessID("group", id);
  return { uid, gid, groups, home: home === "" ? "/" : home };
}

function requireProcessID(what: "user" | "group", id: number): void {
  if (id <= MAX_PROCESS_ID) return;
  throw new VarveError("BUILD_USER_OUT_OF_RANGE", `a process cannot run as ${what} ${id}`, { hint: `ids of users and groups go from 0 to ${MAX_PROCESS_ID}` });
}

/**
 * `--chown`, and USER for WORKDIR, as BuildKit resolves it (fact 26): a number is also the group; a name takes its primary group; what isn't found stays as it
 * is, 0 at first; an empty part is 0.
 */
export function resolveOwner(spec: string, accounts: Accounts): { readonly uid: number; readonly gid: number } {
  const [userText, groupText] = splitOnce(spec);
  const number = parseOwnerID(userText);
  const user = number === undefined ? accounts.users.find((entry) => entry.name === userText) : { uid: number, gid: number };
  const owner = { uid: user?.uid ?? 0, gid: user?.gid ?? 0 };
  if (groupText === undefined) return owner;
  return { ...owner, gid: parseOwnerID(groupText) ?? accounts.groups.find((group) => group.name === groupText)?.gid ?? owner.gid };
}

/** Whether an owner can be resolved without looking into the image. */
export function isNumericOwner(spec: string): boolean {
  return splitOnce(spec).every((part) => part === undefined || parseOwnerID(part) !== undefined);
}

/** For where there is no image to look into: a name throws BUILD_USER_NOT_FOUND, as in BuildKit. */
export function requireNumericOwner(spec: string, because = "a scratch image has no users"): void {
  if (isNumericOwner(spec)) return;
  throw new VarveError("BUILD_USER_NOT_FOUND", `owner ${JSON.stringify(spec)} cannot be looked up: ${because}`, {
    hint: "use numbers, like 1000:1000",
  });
}

const INT32 = 2 ** 31;

/** What BuildKit takes for a number: `root`, nothing, and what fits 32 signed bits; -1 leaves an owner as it is. All else is a name. */
function parseOwnerID(text: string): number | undefined {
  if (text === "" || text === "root") return 0;
  if (!/^[-+]?[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (id >= INT32 || id < -INT32) return undefined;
  return id === -1 ? 0 : id >>> 0;
}

function resolveGroup(text: string, accounts: Accounts): number {
  const number = parseID(text);
  const known = accounts.groups.find((group) => group.name === text || (number !== undefined && group.gid === number));
  if (known === undefined && number === undefined) {
    throw new VarveError("BUILD_USER_NOT_FOUND", `group ${JSON.stringify(text)} is not in the image's /etc/group`, {
      hint: "create the group in a RUN step before, or use a number",
    });
  }
  return known?.gid ?? number ?? 0;
}

async function readLines(tree: FileTree, reader: ContentReader, path: string, options: IOOptions | undefined): Promise<string[]> {
  const { entry } = resolvePath(tree, toBytePath(path), { followLast: true });
  if (entry?.type !== "file" || entry.content === undefined) return [];
  const tooLarge = (): VarveError => new VarveError("BUILD_USER_NOT_FOUND", `the image's /${path} is larger than ${LIMIT} bytes`);
  const bytes = await collectBytes(await reader.open(entry.content, options), LIMIT, tooLarge);
  return new TextDecoder()
    .decode(bytes)
    .split("\n")
    .map((line) => line.trim());
}

function parsePasswd(line: string): PasswdEntry[] {
  const [name = "", , uidText = "", gidText = "", , home = ""] = line.split(":");
  const uid = parseID(uidText);
  const gid = parseID(gidText);
  return line === "" || line.startsWith("#") || uid === undefined ? [] : [{ name, uid, gid: gid ?? 0, home }];
}

function parseGroup(line: string): GroupEntry[] {
  const [name = "", , gidText = "", members = ""] = line.split(":");
  const gid = parseID(gidText);
  return line === "" || line.startsWith("#") || gid === undefined ? [] : [{ name, gid, members: members.split(",").filter((member) => member !== "") }];
}

function parseID(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

function splitOnce(spec: string): [string, string | undefined] {
  const colon = spec.indexOf(":");
  return colon < 0 ? [spec, undefined] : [spec.slice(0, colon), spec.slice(colon + 1)];
}
