import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestsOf, EPOCH, type Variation, writeContext } from "./determinism.ts";
import { createWorkspace, type Workspace } from "./varve.ts";

const MEMORY = "/dev/shm";

interface Case {
  readonly name: string;
  /** In a store of its own. */
  readonly cold?: boolean;
  /** From a copy of the context, its files made in the opposite order and at another time. */
  readonly copied?: boolean;
  /** Store and context on a tmpfs. */
  readonly inMemory?: boolean;
  readonly rung?: boolean;
  readonly with?: Partial<Variation>;
}

/** What must not matter. */
const VARIATIONS: readonly Case[] = [
  { name: "a cache with everything in it" },
  { name: "--no-cache", with: { args: ["--no-cache"] } },
  { name: "time zone and locale", cold: true, with: { env: { TZ: "Pacific/Kiritimati", LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8" } } },
  {
    name: "umask 077, one core, one thread",
    cold: true,
    with: { prefix: ["sh", "-c", 'umask 077; exec taskset -c 0 "$@"', "sh"], env: { UV_THREADPOOL_SIZE: "1" } },
  },
  { name: "sixteen threads", cold: true, with: { env: { UV_THREADPOOL_SIZE: "16" } } },
  { name: "another folder, written in another order, later", cold: true, copied: true },
  { name: "another folder, with a cache of this one", copied: true },
  { name: "a file system in memory", cold: true, copied: true, inMemory: true },
  ...["userns", "namespace", "bwrap"].map((rung) => ({ name: `the rung ${rung}`, cold: true, rung: true, with: { args: ["--sandbox", rung] } })),
];

describeWithTools(["busybox", "taskset"], "with SOURCE_DATE_EPOCH and rewrite-timestamp, the digest does not depend on", () => {
  let space: Workspace;
  let memory: string | undefined;
  let reference: Awaited<ReturnType<typeof digestsOf>>;
  let context: string;
  let count = 0;

  beforeAll(async () => {
    space = await createWorkspace();
    memory = existsSync(MEMORY) ? await mkdtemp(join(MEMORY, "varve-")) : undefined;
    context = await writeContext(join(space.root, "context"), { time: EPOCH + 1000 });
    reference = await digestsOf(space, { context, home: space.home });
  });
  afterAll(async () => {
    if (memory !== undefined) await rm(memory, { recursive: true, force: true });
    await space?.[Symbol.asyncDispose]();
  });

  test.for(VARIATIONS)("$name", async (variation, { skip }) => {
    const folder = variation.inMemory === true ? (memory ?? space.root) : space.root;
    const own = join(folder, `variation-${count++}`);
    const given: Variation = {
      context: variation.copied === true ? await writeContext(`${own}-context`, { reversed: true, time: EPOCH + 500_000 + count }) : context,
      home: variation.cold === true ? `${own}-home` : space.home,
      ...variation.with,
    };
    const digests = await digestsOf(space, given).catch((error: unknown) => {
      // not every machine has every rung
      if (variation.rung === true && String(error).includes("[SANDBOX_")) return skip(String(error).split("\n")[1]);
      throw error;
    });
    expect(digests).toEqual(reference);
  });

  test("nothing but what went in: another epoch is another image", async () => {
    expect(await digestsOf(space, { context, home: space.home, env: { SOURCE_DATE_EPOCH: String(EPOCH + 1) } })).not.toEqual(reference);
  });
});
