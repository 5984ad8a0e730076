import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BytePath } from "@varve/bytes";
import { describe, expect, it } from "vitest";
import { bytesOfHostPath } from "../../host-path.ts";
import type { UpperEntry } from "../upper-entry.ts";
import { createFileRecord, type FileRecord } from "./file-record.ts";
import { recordRoot, walkFlat } from "./flat-walk.ts";
import { createUnlocked } from "./unlocked.ts";

const socketServer = async (path: string): Promise<AsyncDisposable> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
};

describe.each([
  ["listed by find", (space: string) => space],
  ["walked, where find has no place to print to", () => "/proc/nonexistent"],
] as const)("a root %s", (_, spoolOf) => {
  it("gives what has changed since the record before, and a record for what comes next", async () => {
    const space = mkdtempSync(join(tmpdir(), "varve-walk-"));
    const host = join(space, "root");
    const root = bytesOfHostPath(host);
    const common = { root, unlocked: createUnlocked(root), spool: spoolOf(space) };
    const at = (path: string): string => join(host, path);
    for (const path of ["", "a", "b"]) mkdirSync(at(path));
    for (let i = 0; i < 20; i++) writeFileSync(at(`a/${i}`), String(i));
    const first = createFileRecord();
    await recordRoot({ ...common, after: first });

    const changes = async (before: FileRecord): Promise<{ readonly after: FileRecord; readonly found: UpperEntry[]; readonly sockets: string[] }> => {
      const after = createFileRecord();
      const sockets: string[] = [];
      const found: UpperEntry[] = [];
      for await (const entry of walkFlat({ ...common, before, after, onSocket: (path) => sockets.push(path) })) found.push(entry);
      return { after, found, sockets };
    };
    const named = (found: readonly UpperEntry[]): readonly string[] =>
      found.map(({ path, type, names }) => `${type} ${path} ${names?.toSorted().join(" ") ?? ""}`.trim());
    expect((await changes(first)).found).toEqual([]);

    chmodSync(at("a/3"), 0o600);
    unlinkSync(at("a/4"));
    renameSync(at("b"), at("c"));
    writeFileSync(at("c/new"), "new");
    await using server = await socketServer(at("c/socket"));
    const second = await changes(first);
    const rest = Array.from({ length: 20 }, (__, i) => String(i))
      .filter((name) => name !== "4")
      .toSorted();
    expect(named(second.found)).toEqual(["directory  a c", `directory a ${rest.join(" ")}`, "file a/3", "directory c new", "file c/new"]);
    expect(second.sockets).toEqual(["c/socket"]);

    await server[Symbol.asyncDispose]();
    // what is set afterwards is newer than what was found
    writeFileSync(at("a/5"), "other");
    for (const path of ["a/5", "c"]) second.after.set(path as BytePath, lstatSync(at(path)));
    expect(named((await changes(second.after)).found)).toEqual([]);
    second.after.forgetSince(lstatSync(at("a/5")).ctimeMs);
    expect(named((await changes(second.after)).found)).toContain("file a/5");
    rmSync(space, { recursive: true });
  });
});
