import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { errnoOf } from "./disk-error.ts";

/** A process in a form that is written down, and recognised when its pid was given to another. */
export interface ProcessIdentity {
  /** Machine and process namespace. */
  readonly where: string;
  readonly pid: number;
  /** proc(5), `starttime`; `unknown` where there is no /proc. */
  readonly start: string;
}

/** The identity of a process of this machine and namespace, whether it runs or not. */
export async function processIdentity(pid: number): Promise<ProcessIdentity> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return { where: `${hostname()}${namespace}`, pid, start: await startTime(pid) };
}

/** Whether the process runs; one of another machine or process namespace can't be observed. */
export async function processState(identity: ProcessIdentity): Promise<"running" | "gone" | "elsewhere"> {
  const now = await processIdentity(identity.pid);
  if (now.where !== identity.where) return "elsewhere";
  return exists(identity.pid) && now.start === identity.start ? "running" : "gone";
}

async function startTime(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  // proc(5): field 22; field 2, in parentheses, may hold anything
  return status?.slice(status.lastIndexOf(")") + 2).split(" ")[19] ?? "unknown";
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}
