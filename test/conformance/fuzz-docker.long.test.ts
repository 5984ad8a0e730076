import { lstatSync, lutimesSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "@varve/build";
import { isVarveError } from "@varve/errors";
import { type Image, openImage } from "@varve/image";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createDockerBench, type DockerBench, missingForDocker } from "./docker-daemon.ts";
import { describeForDocker } from "./docker-outcome.ts";
import { makeContext } from "./golden-context.ts";
import { type RandomCase, randomCase } from "./random-case.ts";

// varve and the BuildKit of Debian's Docker (20.10: BuildKit 0.8) on random Dockerfiles: paths, types, modes, owners, contents, config, history, and the
// times of what was copied. VARVE_FUZZ_FROM and VARVE_FUZZ_COUNT choose the seeds; what seed 5 is stays so.
const FROM = Number(process.env["VARVE_FUZZ_FROM"] ?? 1);
const COUNT = Number(process.env["VARVE_FUZZ_COUNT"] ?? 400);
/** Refusals of that old BuildKit that later ones don't know: no passwd is as no such user. */
const OLD_REFUSALS = /\/etc\/(passwd|group): (no such file|not a directory)/;
/** An ignore file that brings back: moby/patternmatcher has had other rules for it since (docker/buildx issue 850). */
const BROUGHT_BACK = /^f 0644 \.dockerignore ".*!/;
const DAY = 86_400;
const EPOCH = 1_600_000_000;

vi.setConfig({ maxConcurrency: 4, testTimeout: 600_000 });
let bench: DockerBench;

const missing = missingForDocker();

describe.skipIf(missing.length > 0)(`docker and random Dockerfiles${missing.length > 0 ? ` (needs ${missing.join(", ")})` : ""}`, () => {
  beforeAll(async () => {
    bench = await createDockerBench();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  for (let seed = FROM; seed < FROM + COUNT; seed++) {
    test.concurrent(`seed ${seed}`, async () => {
      const one = randomCase(seed, { run: seed % 3 === 0 });
      if (one.context.some((line) => BROUGHT_BACK.test(line))) return;
      const folder = join(bench.root, `seed-${seed}`);
      mkdirSync(folder);
      await makeContext(join(folder, "context"), one.context);
      giveTimes(join(folder, "context"));
      writeFileSync(join(folder, "Dockerfile"), one.dockerfile);
      const theirs = await buildTheirs(one, folder);
      const ours = await buildOurs(one, folder);
      rmSync(folder, { recursive: true, force: true });
      if (typeof theirs === "string" && (OLD_REFUSALS.test(theirs) || typeof ours === "string")) return;
      // docker saves no image without layers
      if (theirs === undefined) return;
      // a directory that BuildKit makes has the time of the build, one of ours that of its source
      const compared = typeof ours === "string" ? ours : ours.filter((line) => !line.startsWith("time of directory ") || theirs.includes(line));
      expect(compared, `${one.context.join("\n")}\n\n${one.dockerfile}`).toEqual(theirs);
    });
  }
});

/** Every entry gets a time of its own. */
function giveTimes(folder: string): void {
  let time = EPOCH;
  const visit = (path: string): void => {
    const stats = lstatSync(path);
    if (stats.isDirectory()) for (const name of readdirSync(path).toSorted()) visit(join(path, name));
    time += 1000;
    if (stats.isSymbolicLink()) lutimesSync(path, time, time);
    else utimesSync(path, time, time);
  };
  visit(folder);
}

function describeImage(image: Image): Promise<readonly string[]> {
  return describeForDocker(bench.store, image, { base: bench.base, isTimed: (mtime) => mtime >= EPOCH && mtime < EPOCH + DAY });
}

/** The image, or the refusal. */
async function buildOurs(one: RandomCase, folder: string): Promise<readonly string[] | string> {
  const buildArgs = Object.fromEntries(one.options.map((line) => line.slice("build-arg ".length).split("=", 2) as [string, string]));
  try {
    const home = join(bench.root, "store");
    const { descriptor } = await build({ context: join(folder, "context"), file: join(folder, "Dockerfile"), home, noCache: true, buildArgs });
    return await describeImage(await openImage(bench.store, descriptor));
  } catch (error) {
    if (!isVarveError(error)) throw error;
    return error.message;
  }
}

async function buildTheirs(one: RandomCase, folder: string): Promise<readonly string[] | string | undefined> {
  const options = one.options.map((line) => `--${line.replace(" ", "=")}`);
  const image = await bench.docker.build(bench.store, { dockerfile: join(folder, "Dockerfile"), context: join(folder, "context"), options });
  return image === undefined || typeof image === "string" ? image : describeImage(image);
}
