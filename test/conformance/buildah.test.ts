import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { copyGraph, type Image, openImage, writeOciLayout } from "@varve/image";
import { type Descriptor, digestFromHex, digestHex, type Fetcher } from "@varve/oci";
import { openStore, type Store } from "@varve/store";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { storeBase } from "./golden-base.ts";
import { type GoldenCase, goldenCases, isRefused } from "./golden-case.ts";
import { makeContext } from "./golden-context.ts";
import { describeOutcome } from "./golden-outcome.ts";

// buildah of Debian 12 is an oracle for the common ground only: where it differs from BuildKit, the case's file `buildah` says how, and why that
// is not what varve does. What differs everywhere is left out here: ArgsEscaped, which only Docker's builders set; WorkingDir /, which
// buildah always sets and BuildKit from scratch only; empty values, which it writes; the PATH that BuildKit gives an image without one;
// what it leaves of the files and the directory that it mounts for a RUN.
const EVERYWHERE = /^(config (ArgsEscaped true|WorkingDir "\/"|\w+ (null|""|\[\]|\{\}))|f 0755 0:0 \/etc\/(hostname|hosts|resolv\.conf) ""|d 0755 0:0 \/run)$/;
const PATH = '"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"';
/** What an image says beside its files. */
const KEYS = "Cmd|Entrypoint|Env|ExposedPorts|Healthcheck|Labels|OnBuild|Shell|StopSignal|User|Volumes|WorkingDir";
const COMPARED = new RegExp(`^([-a-z] |config (${KEYS}) |author |platform )`);

// it waits for its disk more than it computes
vi.setConfig({ maxConcurrency: 3 });

const run = promisify(execFile);
/** Said in the reason where buildah itself gives now one result, now another. */
const WAVERS = "not always";
let home: string;
let store: Store;
let base: Image;

describeWithTools(["buildah", "skopeo", "busybox"], "buildah and fixtures/builds", () => {
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "varve-buildah-"));
    store = await openStore({ root: join(home, "store") });
    const descriptor = await storeBase(store);
    base = await openImage(store, descriptor);
    await writeOciLayout(store, [{ descriptor, names: ["docker.io/library/base:latest"] }], join(home, "base"));
    execFileSync("skopeo", ["copy", "-q", `oci:${home}/base`, `containers-storage:[vfs@${home}/root+${home}/runroot]docker.io/library/base:latest`]);
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  for (const golden of goldenCases().filter(({ options }) => !options.some((line) => line.startsWith("serve ")))) {
    test.concurrent(golden.name, async () => {
      const found = differences(golden, await buildWithBuildah(golden));
      if (golden.buildahReasons.some((reason) => reason.includes(WAVERS))) expect([[], golden.buildah]).toContainEqual(found);
      else expect(found).toEqual(golden.buildah);
      expect(golden.buildah.length > 0).toBe(golden.buildahReasons.length > 0);
    });
  }
});

async function buildWithBuildah(golden: GoldenCase): Promise<readonly string[]> {
  const folder = join(home, golden.name);
  mkdirSync(folder);
  try {
    await makeContext(join(folder, "context"), golden.context);
    const storage = ["--root", join(home, "root"), "--runroot", join(home, "runroot"), "--storage-driver", "vfs"];
    const how = ["--isolation", "chroot", "--layers=false", "--pull-never", "--no-cache", "--format", "docker", "--identity-label=false"];
    const image = join(folder, "image");
    const given = golden.options.flatMap((line) => optionOf(line, folder));
    try {
      await run("buildah", [...storage, "bud", "-q", ...how, ...given, "-f", golden.dockerfile, "-t", `dir:${image}`, join(folder, "context")]);
    } catch {
      return ["refused"];
    }
    const source = directoryImage(image);
    await copyGraph(source.fetcher, store, source.descriptor);
    const { listing, config } = await describeOutcome(store, await openImage(store, source.descriptor), base);
    return withoutHistory([...listing, ...config]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function optionOf(line: string, folder: string): string[] {
  const [, name = "", value = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
  const [key = "", path = ""] = value.split("=");
  return [`--${name}`, name === "build-context" ? `${key}=${folder}/context/${path}` : value];
}

/** An image as the `dir:` transport writes it: blobs by their hex digests, and manifest.json. */
function directoryImage(folder: string): { readonly descriptor: Descriptor; readonly fetcher: Fetcher } {
  const manifest = readFileSync(join(folder, "manifest.json"));
  const digest = digestFromHex(createHash("sha256").update(manifest).digest("hex"));
  const { mediaType } = JSON.parse(manifest.toString()) as { readonly mediaType: string };
  return {
    descriptor: { mediaType, digest, size: manifest.length },
    fetcher: { fetch: (wanted) => Promise.resolve(createReadStream(join(folder, wanted.digest === digest ? "manifest.json" : digestHex(wanted.digest)))) },
  };
}

function withoutHistory(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => COMPARED.test(line) && !EVERYWHERE.test(line)).map((line) => line.replace(`config Env [${PATH},`, "config Env ["));
}

/** `varve …` and `buildah …` for what only one of them has; what a refusal leaves out is not told. */
function differences({ expected }: GoldenCase, found: readonly string[]): readonly string[] {
  const ours = isRefused(expected) ? ["refused"] : withoutHistory(expected);
  if (found[0] === "refused") return ours[0] === "refused" ? [] : ["buildah refused"];
  return [...missing(ours, found).map((line) => `varve   ${line}`), ...missing(found, ours).map((line) => `buildah ${line}`)];
}

function missing(lines: readonly string[], from: readonly string[]): readonly string[] {
  return lines.filter((line) => !from.includes(line));
}
