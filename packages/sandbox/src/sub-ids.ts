import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import { VarveError } from "@varve/errors";
import { requireHostTool } from "./host-tool.ts";

/** Consecutive ids outside that a user may give away. */
export interface SubIdRange {
  readonly first: number;
  readonly count: number;
}

/** Who is given ids: by number, and by name where there is one. */
export interface SubIdOwner {
  readonly id: number;
  readonly name?: string;
}

/** Fewer would leave out ids that base images use: nobody is 65534. */
const ENOUGH = 65_536;

/** The ranges of an owner in the text of /etc/subuid or /etc/subgid (`name-or-uid:first:count` a line), see subuid(5). */
export function subIdRanges(text: string, owner: SubIdOwner): SubIdRange[] {
  return text.split("\n").flatMap((line) => {
    const [who, first, count] = line.trim().split(":");
    if (who !== String(owner.id) && (who !== owner.name || who === undefined)) return [];
    return /^\d+$/.test(first ?? "") && /^\d+$/.test(count ?? "") ? [{ first: Number(first), count: Number(count) }] : [];
  });
}

/** One line of a uid_map or gid_map, as newuidmap takes it too. */
export type IdMapping = readonly [inside: number, outside: number, count: number];

/** Maps 0 to this process's own id and the ids after it to ranges, see user_namespaces(7). */
export function idMappings(own: number, ranges: readonly SubIdRange[]): IdMapping[] {
  let inside = 1;
  return [[0, own, 1], ...ranges.map(({ first, count }): IdMapping => [(inside += count) - count, first, count])];
}

/** What gives a process subordinate ids: programs of the host, found before any root changes, and the ids. */
export interface SubIdMapper {
  /** Maps them for a process of this user in a fresh user namespace. Throws SANDBOX_UNAVAILABLE. */
  give(pid: number, signal?: AbortSignal): Promise<void>;
}

/** Finds newuidmap, newgidmap and this user's ranges in /etc/subuid and /etc/subgid. Throws SANDBOX_UNAVAILABLE naming what is missing. */
export function createSubIdMapper(): SubIdMapper {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const owner: SubIdOwner = { id: uid, ...nameOf() };
  const maps = [
    { tool: requireHostTool("newuidmap", "uidmap"), mappings: idMappings(uid, rangesIn("/etc/subuid", owner)) },
    { tool: requireHostTool("newgidmap", "uidmap"), mappings: idMappings(gid, rangesIn("/etc/subgid", owner)) },
  ];
  return {
    async give(pid, signal) {
      for (const { tool, mappings } of maps) {
        try {
          await promisify(execFile)(tool, [String(pid), ...mappings.flat().map(String)], { env: {}, cwd: "/", ...(signal === undefined ? {} : { signal }) });
        } catch (cause) {
          const said = ((cause as { readonly stderr?: string }).stderr ?? "").trim();
          throw new VarveError("SANDBOX_UNAVAILABLE", `${tool} fails${said === "" ? "" : `: ${said.split("\n").at(-1)}`}`, {
            cause,
            hint: "it must be set-uid root (or have cap_setuid), on a file system without nosuid, and the process may not have no_new_privs",
          });
        }
      }
    },
  };
}

function rangesIn(file: string, owner: SubIdOwner): SubIdRange[] {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // as good as empty
  }
  const ranges = subIdRanges(text, owner);
  if (ranges.reduce((sum, { count }) => sum + count, 0) < ENOUGH - 1) {
    throw new VarveError("SANDBOX_UNAVAILABLE", `${file} gives ${owner.name ?? `uid ${owner.id}`} no range of ${ENOUGH} ids`, {
      hint: `as root: echo '${owner.name ?? owner.id}:100000:${ENOUGH}' >> ${file}`,
    });
  }
  return ranges;
}

function nameOf(): { readonly name?: string } {
  try {
    return { name: userInfo().username };
  } catch {
    // a user that no passwd file has, as in many containers
    return {};
  }
}
