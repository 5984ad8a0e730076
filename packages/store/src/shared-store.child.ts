// A process that uses a store together with others; started by shared-store.test.ts and lease.test.ts. Arguments: ROOT ACTION [NAME]
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describeBlob, inPieces } from "@varve/testkit/blob";
import { openStore, type Store } from "./index.ts";

const [root = "", action = "", name = "", mode = "exclusive"] = process.argv.slice(2);

async function pushForever(store: Store): Promise<never> {
  for (let count = 0; ; count++) {
    const bytes = randomBytes(200_000);
    const blob = describeBlob(bytes, "application/vnd.oci.image.manifest.v1+json");
    await store.push(blob, async () => inPieces(bytes, 20_000));
    await store.tag(blob, `${name}:${count % 5}`);
    if (count === 0) process.stdout.write("pushing\n");
  }
}

async function unfinished(store: Store): Promise<void> {
  const writer = await store.ingest();
  await writer.write(randomBytes(1_000_000));
  process.stdout.write("unfinished\n");
  await sleep(1e8);
}

async function holdLock(store: Store): Promise<void> {
  await using _lock = await store.lock(name, mode === "shared" ? "shared" : "exclusive");
  process.stdout.write("locked\n");
  await sleep(1e8);
}

async function tagMany(store: Store): Promise<void> {
  const bytes = new TextEncoder().encode("the same in every process");
  const blob = describeBlob(bytes);
  await store.push(blob, async () => inPieces(bytes, 7));
  for (let count = 0; count < 10; count++) await store.tag(blob, `${name}:${count}`);
}

async function fillDisk(store: Store): Promise<void> {
  const bytes = randomBytes(4_000_000);
  try {
    await store.push(describeBlob(bytes), async () => inPieces(bytes, 65_536));
  } catch (error) {
    const small = new TextEncoder().encode("small");
    await store.push(describeBlob(small), async () => inPieces(small, 5));
    await store.tag(describeBlob(small), "small");
    process.stdout.write(`${(error as { code?: string }).code} ${(await store.refs()).length}\n`);
  }
}

async function holdLease(store: Store): Promise<void> {
  await using _lease = await store.lease();
  process.stdout.write("leased\n");
  await sleep(1e8);
}

async function holdGate(store: Store): Promise<void> {
  await store.whileUnleased(async () => {
    process.stdout.write("alone\n");
    await sleep(1e8);
  });
}

const actions: Readonly<Record<string, (store: Store) => Promise<void>>> = { holdLease, holdGate, pushForever, unfinished, holdLock, tagMany, fillDisk };
const store = await openStore({ root });
await actions[action]?.(store);
await store[Symbol.asyncDispose]();
