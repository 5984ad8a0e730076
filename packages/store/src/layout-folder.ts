import { link, mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { VarveError } from "@varve/errors";
import { errnoOf, onDisk } from "./disk-error.ts";
import { syncDirectory, writeDurably } from "./durable-file.ts";
import { openIngestSession } from "./ingest-session.ts";
import { EMPTY_INDEX, encodeRefIndex } from "./ref-index.ts";

const LAYOUT_VERSION = "1.0.0";

/**
 * Makes `root` an image layout unless it is one (image-spec image-layout.md). Folders that varve makes are 0700; a root that was there
 * keeps its mode. Several processes may do this at once.
 */
export async function prepareLayout(root: string): Promise<void> {
  await onDisk(`open the store ${root}`, async () => {
    await makeFolders(root);
    await makeFolder(join(root, "blobs"));
    await Promise.all(["blobs/sha256", "ingest", "layers", "locks"].map((folder) => makeFolder(join(root, folder))));
    if ((await isMissing(join(root, "oci-layout"))) || (await isMissing(join(root, "index.json")))) await createLayoutFiles(root);
  });
  await checkVersion(join(root, "oci-layout"));
}

/** As mkdir's `recursive`, which on Node never ends where a file system has no such folder and makes none, as /proc. */
async function makeFolders(path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    await stat(dirname(path)).catch(() => makeFolders(dirname(path)));
    await makeFolder(path);
  }
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (errnoOf(error) !== "EEXIST") throw error;
  });
}

async function createLayoutFiles(root: string): Promise<void> {
  const session = await openIngestSession(join(root, "ingest"));
  try {
    await createOnce(join(root, "oci-layout"), session.temporary(), new TextEncoder().encode(`{"imageLayoutVersion":"${LAYOUT_VERSION}"}\n`));
    await createOnce(join(root, "index.json"), session.temporary(), encodeRefIndex(EMPTY_INDEX));
    await syncDirectory(root);
  } finally {
    await session.close();
  }
}

/** Creates a file with its whole content, unless another process was first. */
async function createOnce(path: string, draft: string, bytes: Uint8Array): Promise<void> {
  await writeDurably(draft, bytes);
  await link(draft, path).catch((error: unknown) => {
    if (errnoOf(error) !== "EEXIST") throw error;
  });
}

async function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => errnoOf(error) === "ENOENT",
  );
}

async function checkVersion(path: string): Promise<void> {
  const text = await onDisk("read oci-layout", () => readFile(path, "utf8"));
  let version: unknown;
  try {
    const parsed: unknown = JSON.parse(text);
    version = typeof parsed === "object" && parsed !== null && "imageLayoutVersion" in parsed ? parsed.imageLayoutVersion : undefined;
  } catch (cause) {
    throw new VarveError("STORE_CORRUPT_INDEX", `${path} is not JSON`, { cause });
  }
  if (version !== LAYOUT_VERSION)
    throw new VarveError("STORE_UNSUPPORTED_LAYOUT", `${path} has the layout version ${JSON.stringify(version)}`, {
      hint: `varve knows version ${LAYOUT_VERSION}`,
    });
}
