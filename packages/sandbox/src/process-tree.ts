import { readdirSync, readFileSync } from "node:fs";

/**
 * Kills all processes that descend from `pid`, not itself. Each is stopped before its children are looked for, so that none slips away by
 * making another. Needs a /proc that shows them.
 */
export function killDescendants(pid: number): void {
  const stopped = new Set<number>();
  for (let found = descendantsOf(pid, stopped); found.length > 0; found = descendantsOf(pid, stopped)) {
    for (const descendant of found) {
      stopped.add(descendant);
      signal(descendant, "SIGSTOP");
    }
  }
  for (const descendant of stopped) signal(descendant, "SIGKILL");
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
}

function descendantsOf(pid: number, known: ReadonlySet<number>): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [Number(name)]);
    else siblings.push(Number(name));
  }
  const found: number[] = [];
  const pending = [pid];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    for (const child of children.get(parent) ?? []) {
      pending.push(child);
      if (!known.has(child)) found.push(child);
    }
  }
  return found;
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // the name, in parentheses, may hold anything
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
