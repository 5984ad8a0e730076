import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, copyFile, cp, lstat, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, type BuildResult } from "@varve/build";
import { type BytePath, displayPath } from "@varve/bytes";
import { createDiskReader, walkDirectory } from "@varve/context";
import { isVarveError } from "@varve/errors";
import { createLayer, createLayerReader, imageTree, openImage, storeImage } from "@varve/image";
import { type ContentReader, diffTrees, EMPTY_TREE, type Entry, type FileTree } from "@varve/layer";
import { openStore, type Store } from "@varve/store";
import { hasTool } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

// What BuildKit made of small Dockerfiles; lies beside the repository, not in it.
const CASES = fileURLToPath(new URL("../../../shared/buildkit-cases", import.meta.url));
const BASE_SCRIPT = fileURLToPath(new URL("../../../shared/tools/busybox-base.sh", import.meta.url));
const BASE = "bb:latest";
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const present = existsSync(CASES) && existsSync(BASE_SCRIPT) && hasTool("busybox");

interface Outcome {
  readonly outcome: "built" | "refused";
  readonly message?: string;
  readonly base?: "scratch" | "busybox";
  readonly config?: unknown;
  readonly history?: readonly unknown[];
  readonly changed?: readonly { readonly path: string }[];
  readonly removed?: readonly string[];
}

let home: string;
let store: Store;
let baseTree: FileTree;
let reader: ContentReader;

describe.skipIf(!present)(present ? "BuildKit's outcomes" : "BuildKit's outcomes (needs ../shared/buildkit-cases and busybox)", () => {
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "varve-cases-"));
    store = await openStore({ root: join(home, "store") });
    baseTree = await makeBase(join(home, "base"));
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });

  for (const group of present ? folders(CASES) : []) {
    for (const name of folders(join(CASES, group))) {
      const stage = join(CASES, group, name);
      const expected = JSON.parse(readFileSync(join(stage, "buildkit.json"), "utf8")) as Outcome;
      const refusable = readFileSync(join(stage, "expect"), "utf8").includes("refusal=allowed");
      test(`${group}/${name}`, async () => {
        const outcome = await runCase(stage);
        if ("error" in outcome) {
          if (!refusable) expect({ outcome: "refused", message: describeError(outcome.error) }).toMatchObject({ outcome: expected.outcome });
          // a refusal is one clear error, not a bug
          expect(isVarveError(outcome.error) || outcome.error instanceof UnknownFlag).toBe(true);
          return;
        }
        expect(await describeImage(outcome.result, expected)).toEqual(expected);
      });
    }
  }
});

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** The image `busybox-base.sh` describes: one layer, every time 1700000000. */
async function makeBase(directory: string): Promise<FileTree> {
  execFileSync("bash", [BASE_SCRIPT, directory], { env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` }, stdio: "ignore" });
  const tree = await walkDirectory(directory, { adjust: (entry) => ({ ...entry, mtime: 1_700_000_000 }) });
  const made = await createLayer(store, diffTrees(EMPTY_TREE, tree), createDiskReader(directory), {});
  const descriptor = await storeImage(store, {
    config: {
      architecture: "amd64",
      os: "linux",
      created: "2023-11-14T22:13:20Z",
      config: { Env: [PATH], Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [made.diffID] },
      history: [{ created: "2023-11-14T22:13:20Z", created_by: "busybox-base.sh" }],
    },
    layers: [await made.blob],
  });
  await store.tag(descriptor, `docker.io/library/${BASE}`);
  return imageTree(store, await openImage(store, descriptor));
}

/** A link's target as Python prints it: bytes that are no UTF-8 become lone surrogates. */
function shownName(name: BytePath): string {
  const text = Buffer.from(name, "latin1").toString("utf8");
  return text.includes("\ufffd") ? name.replaceAll(/[\x80-\xff]/g, (c) => String.fromCharCode(0xdc00 + c.charCodeAt(0))) : text;
}

class UnknownFlag extends Error {}

async function runCase(stage: string): Promise<{ readonly result: BuildResult } | { readonly error: unknown }> {
  const context = await mkdtemp(join(tmpdir(), "varve-case-"));
  try {
    await prepareContext(stage, context);
    const options = parseArguments(await readLines(join(stage, "args")), (text) => substitute(text, stage, context));
    for (const line of await readLines(join(stage, "env"))) {
      const [key = "", value = ""] = substitute(line, stage, context).split(/=(.*)/s);
      process.env[key] = value;
    }
    return { result: await build({ context, home: join(home, "store"), noCache: true, platforms: ["linux/amd64"], ...options }) };
  } catch (error) {
    return { error };
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

async function prepareContext(stage: string, context: string): Promise<void> {
  if (existsSync(join(stage, "ctx"))) await cp(join(stage, "ctx"), context, { recursive: true, verbatimSymlinks: true });
  await copyFile(join(stage, "Dockerfile"), join(context, "Dockerfile"));
  await normaliseModes(context);
  const setup = join(stage, "setup.sh");
  // plain `sh` keeps files 0644 whatever this process's umask is
  if (existsSync(setup))
    execFileSync("bash", ["-c", `umask 022; . ${JSON.stringify(setup)}`], { cwd: context, env: { ...process.env, STAGE: stage }, stdio: "ignore" });
  const dockerfile = await readFile(join(context, "Dockerfile"), "utf8");
  await writeFile(join(context, "Dockerfile"), dockerfile.replaceAll("@BB@", BASE));
}

async function normaliseModes(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const stats = await lstat(path);
    if (stats.isDirectory()) await normaliseModes(path);
    else if (stats.isFile()) await chmod(path, 0o644);
  }
}

async function readLines(path: string): Promise<string[]> {
  return existsSync(path) ? (await readFile(path, "utf8")).split("\n").filter((line) => line !== "") : [];
}

function substitute(text: string, stage: string, context: string): string {
  return text.replaceAll("@BB@", BASE).replaceAll("@CTX@", context).replaceAll("@STAGE@", stage);
}

/** The few flags of buildx that the cases use. */
function parseArguments(words: readonly string[], expand: (text: string) => string): Partial<BuildOptions> {
  const buildArgs: Record<string, string> = {};
  const buildContexts: Record<string, string> = {};
  const secrets: { id: string; file: string }[] = [];
  let target: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const [flag = "", joined] = (words[i] ?? "").split(/=(.*)/s);
    const value = expand(joined ?? words[++i] ?? "");
    const [key = "", rest = ""] = value.split(/=(.*)/s);
    if (flag === "--build-arg") buildArgs[key] = rest;
    else if (flag === "--build-context") buildContexts[key] = rest;
    else if (flag === "--target") target = value;
    else if (flag === "--secret") {
      const fields = new Map(value.split(",").map((field): [string, string] => [field.split("=")[0] ?? "", field.split("=")[1] ?? ""]));
      secrets.push({ id: fields.get("id") ?? "", file: fields.get("src") ?? "" });
    } else throw new UnknownFlag(flag);
  }
  return { buildArgs, buildContexts, secrets, ...(target === undefined ? {} : { target }) };
}

function describeError(error: unknown): string {
  return isVarveError(error)
    ? `${error.code}: ${error.message}${error.details.map((line) => `\n  ${line}`).join("")}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
}

async function describeImage(result: BuildResult, expected: Outcome): Promise<unknown> {
  const image = await openImage(store, result.descriptor);
  const tree = await imageTree(store, image);
  reader = createLayerReader(store, async (diffID) => {
    const layer = image.layers.find((candidate) => candidate.diffID === diffID);
    if (layer === undefined) throw new Error(`no layer ${diffID}`);
    return layer.descriptor;
  });
  const base = expected.base === "busybox" ? baseTree : undefined;
  const inherited = expected.base === "busybox" ? 1 : 0;
  return {
    outcome: "built",
    base: expected.base,
    config: image.config.config,
    architecture: image.config.architecture,
    os: image.config.os,
    history: (image.config.history ?? []).slice(inherited).map(({ created: _created, ...entry }) => entry),
    changed: await changedEntries(base, tree),
    removed: [...(base?.walk() ?? [])].filter((entry) => tree.lookup(entry.path) === undefined).map((entry) => `/${displayPath(entry.path)}`),
  };
}

async function changedEntries(base: FileTree | undefined, tree: FileTree): Promise<unknown[]> {
  const changed: unknown[] = [];
  for (const entry of tree.walk()) {
    const now = await describeEntry(entry);
    const before = base?.lookup(entry.path);
    if (before === undefined || JSON.stringify(await describeEntry(before)) !== JSON.stringify(now)) changed.push(now);
  }
  return changed.toSorted((a, b) => ((a as { path: string }).path < (b as { path: string }).path ? -1 : 1));
}

async function describeEntry(entry: Entry): Promise<unknown> {
  const { mode, uid, gid, linkTarget, content } = entry;
  return {
    path: `/${displayPath(entry.path)}`,
    type: entry.type === "directory" ? "dir" : entry.type,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    ...(linkTarget === undefined ? {} : { link: shownName(linkTarget) }),
    ...(content === undefined ? {} : { size: entry.size, sha256: (await reader.digest(content)).slice("sha256:".length, "sha256:".length + 16) }),
  };
}
