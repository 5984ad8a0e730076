import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteStream, type BytePath, collectBytes, concatBytes, streamOf } from "@varve/bytes";
import { type Entry, mergeLayer, withParents, writeLayerTar } from "@varve/layer";
import { chrootDriver, namespaceDriver } from "@varve/sandbox";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRunnerWith } from "./create-runner.ts";
import { busyboxEntries, fixtureRoot, type FixtureRoot, shellStep } from "./runner.fixture.ts";
import type { Runner, StackedLayer } from "./runner.ts";

const available = process.getuid?.() === 0 && existsSync("/bin/busybox");
if (!available && process.env["CI"] === "true") throw new Error("properties of RUN need root and busybox-static");

/** Names that meet often, so that operations hit what others made. */
const name = fc.constantFrom("a", "b", "c", "d/a", "d/b", "d/e/f", "d/e", "d", "k", "k/x", "with space", "ü");
const quoted = (path: string): string => `'/p/${path}'`;
/** A fifo would wait for its other end, and devices are the host's. */
const ordinary = (path: string): string => `[ ! -p ${quoted(path)} ] && [ ! -c ${quoted(path)} ]`;
const operation = fc.oneof(
  fc.tuple(name, fc.constantFrom("1", "22", "")).map(([path, text]) => `${ordinary(path)} && echo -n '${text}' > ${quoted(path)}`),
  name.map((path) => `mkdir ${quoted(path)}`),
  name.map((path) => `mkdir -p ${quoted(path)}`),
  name.map((path) => `rm -rf ${quoted(path)}`),
  name.map((path) => `rm -rf ${quoted(path)}; mkdir ${quoted(path)}`),
  fc.tuple(name, name).map(([from, to]) => `mv ${quoted(from)} ${quoted(to)}`),
  fc.tuple(name, name).map(([from, to]) => `ln ${quoted(from)} ${quoted(to)}`),
  fc.tuple(name, name).map(([from, to]) => `ln -sfn ${from.replaceAll(" ", "_")} ${quoted(to)}`),
  // onto a fifo it would wait for a reader
  fc.tuple(name, name).map(([from, to]) => `[ ! -d ${quoted(from)} ] && [ ! -p ${quoted(to)} ] && cp -a ${quoted(from)} ${quoted(to)}`),
  fc.tuple(name, fc.constantFrom("700", "4755", "1777", "000")).map(([path, mode]) => `chmod ${mode} ${quoted(path)}`),
  fc.tuple(name, fc.constantFrom("1:2", "0:0")).map(([path, owner]) => `chown -h ${owner} ${quoted(path)}`),
  name.map((path) => `mkfifo ${quoted(path)}`),
  name.map((path) => `mknod ${quoted(path)} c 1 300`),
  name.map((path) => `${ordinary(path)} && cat ${quoted(path)} > /tmp/x && cat /tmp/x > ${quoted(path)}; rm -f /tmp/x`),
);
const scripts = fc.array(fc.array(operation, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 });

describe.skipIf(!available).each([
  { driver: namespaceDriver, flat: false },
  { driver: chrootDriver, flat: true },
])(`RUN on $driver.name against a plain directory${available ? "" : " (needs root and busybox-static)"}`, ({ driver, flat }) => {
  let home = "";
  let runners: Runner[] = [];
  let root: FixtureRoot;
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "varve-property-"));
    root = fixtureRoot([
      ...busyboxEntries().filter(({ path }) => !/^(usr|lib|etc|sbin)\//.test(path)),
      { path: "p", type: "directory" },
      { path: "p/d", type: "directory", mode: 0o711 },
      { path: "p/d/a", content: "lower" },
      { path: "p/k", content: "k", mode: 0o4711 },
    ]);
    // the second of two has to bring what it has up to where the first has come
    runners = ["one", ...(flat ? ["two"] : [])].map((folder) =>
      createRunnerWith([driver], { snapshots: `${home}/${folder}`, cacheMounts: `${home}/mounts`, sandbox: driver.name }),
    );
  });
  afterAll(async () => {
    for (const runner of runners) await runner[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  it("gives the tree that the same commands give a directory, kept or unpacked again", async () => {
    await fc.assert(
      fc.asyncProperty(scripts, fc.boolean(), async (steps, keep) => {
        let state: FixtureRoot = root;
        let expected: Readonly<Record<string, string>> = {};
        const tars = new Map<string, Uint8Array>();
        for (const [i, lines] of steps.entries()) {
          const script = `cd /p; ${lines.map((line) => `(${line}) 2>/dev/null`).join("; ")}; true`;
          // made anew for each step: as on any overlay, files of lower layers are no longer hardlinks of one another
          const oracle = mkdtempSync(join(home, "oracle-"));
          await copyOut(state, oracle);
          execFileSync("chroot", [oracle, "/bin/busybox", "sh", "-c", script]);
          expected = listing(oracle);
          rmSync(oracle, { recursive: true });
          const runner = runners[i % runners.length];
          if (runner === undefined) throw new Error("there is no runner");
          state = await advance(runner, state, script, { keep, tars });
          expect(await describeTree(state)).toEqual(expected);
        }
        // a runner with nothing unpacked sees the same through layers and their indexes
        const fresh = mkdtempSync(join(home, "fresh-"));
        await using other = createRunnerWith([driver], { snapshots: fresh, cacheMounts: `${home}/mounts`, sandbox: driver.name });
        let seen = "";
        await using outcome = await other.run(shellStep(state, LIST, { onOutput: (_stream, chunk) => void (seen += Buffer.from(chunk).toString()) }));
        expect((await outcome.changes()).changes).toEqual([]);
        expect(seen.trim().split("\n").toSorted()).toEqual(
          Object.keys(expected)
            .map((path) => `${path} ${(expected[path] ?? "").split(" ").slice(0, 3).join(" ")}`)
            .toSorted(),
        );
      }),
      { numRuns: Number(process.env["VARVE_PROPERTY_RUNS"] ?? 12), endOnFailure: true },
    );
  });
});

/** `path type mode owner` of everything below /p, by busybox's stat. */
const LIST = `cd /p; find . -exec stat -c '%n %F %a %u:%g' {} + | sed -e 's/regular empty file/file/;s/regular file/file/;s/symbolic link/symlink/;s/character special file/char/'`;

async function advance(
  runner: Runner,
  state: FixtureRoot,
  script: string,
  { keep, tars }: { readonly keep: boolean; readonly tars: Map<string, Uint8Array> },
): Promise<FixtureRoot> {
  await using outcome = await runner.run(shellStep(state, script));
  const changes = await outcome.changes();
  const { stream, finished } = writeLayerTar(withParents(state.tree, changes), outcome.reader);
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  const { diffID, index } = await finished;
  const tar = concatBytes(pieces);
  tars.set(diffID, tar);
  if (keep) await outcome.keep(diffID);
  const layer: StackedLayer = { diffID, openTar: (): Promise<ByteStream> => Promise.resolve(streamOf(tar)), index: () => Promise.resolve(index) };
  return { tree: mergeLayer(state.tree, index), layers: [...state.layers, layer] };
}

/** The content of a file in one of the state's layers. */
async function contentOf(state: FixtureRoot, entry: Entry): Promise<Buffer> {
  const { content } = entry;
  if (content?.kind !== "layer") throw new Error(`${entry.path} is in no layer`);
  const layer = state.layers.find(({ diffID }) => diffID === content.diffID);
  if (layer === undefined) throw new Error(`${entry.path} is in a layer that is not there`);
  const tar = await collectBytes(await layer.openTar(), 1 << 30, () => new Error("large"));
  return Buffer.from(tar.subarray(content.offset, content.offset + content.size));
}

async function copyOut(state: FixtureRoot, directory: string): Promise<void> {
  for (const entry of state.tree.walk()) {
    const path = Buffer.from(`${Buffer.from(directory).toString("latin1")}/${entry.path}`, "latin1");
    if (entry.type === "directory") mkdirSync(path, { recursive: true });
    else if (entry.type === "file") writeFileSync(path, await contentOf(state, entry));
    else if (entry.type === "symlink") symlinkSync(Buffer.from(entry.linkTarget ?? "", "latin1"), path);
    else if (entry.type === "fifo") execFileSync("mkfifo", [path.toString()]);
    else execFileSync("mknod", [path.toString(), "c", `${entry.device?.major ?? 0}`, `${entry.device?.minor ?? 0}`]);
    lchownSync(path, entry.uid, entry.gid);
    if (entry.type !== "symlink") chmodSync(path, entry.mode);
  }
}

/** `./path` → `type mode uid:gid detail` of everything below /p. */
async function describeTree(state: FixtureRoot): Promise<Record<string, string>> {
  const lines: Record<string, string> = {};
  for (const entry of state.tree.walk("p" as BytePath)) {
    const detail =
      entry.type === "file"
        ? (await contentOf(state, entry)).toString()
        : entry.type === "symlink"
          ? Buffer.from(entry.linkTarget ?? "", "latin1").toString()
          : entry.device === undefined
            ? ""
            : `${entry.device.major},${entry.device.minor}`;
    lines[`.${Buffer.from(entry.path.slice(1), "latin1").toString()}`] = `${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${detail ?? ""}`;
  }
  return lines;
}

function listing(directory: string): Record<string, string> {
  const lines: Record<string, string> = {};
  // readdir's own recursion follows symlinks
  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const at = join(directory, `p${path}`);
    const stat = lstatSync(at);
    if (stat.isDirectory()) for (const child of readdirSync(at)) pending.push(`${path}/${child}`);
    const [type, detail] = stat.isDirectory()
      ? ["directory", ""]
      : stat.isFile()
        ? ["file", readFileSync(at, "utf8")]
        : stat.isSymbolicLink()
          ? ["symlink", readlinkSync(at)]
          : stat.isFIFO()
            ? ["fifo", ""]
            : ["char", "1,300"];
    lines[`.${path}`] = `${type} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${detail}`;
  }
  return lines;
}
