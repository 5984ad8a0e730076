import { readFileSync } from "node:fs";
import { toBytePath } from "@varve/bytes";
import { createLayer, storeImage } from "@varve/image";
import { type ContentReader, createTreeBuilder, diffTrees, EMPTY_TREE, type FileTree, type NewEntry } from "@varve/layer";
import type { Descriptor, RuntimeConfig } from "@varve/oci";
import type { Store } from "@varve/store";
import { findTool } from "@varve/testkit";

/** The name cases call the base by. */
const BASE = "base";

/** The base's config; that of `scratch` is what BuildKit starts with. */
export const BASE_CONFIG: RuntimeConfig = { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] };

const TIME = 1_700_000_000;

const APPLETS = ["sh", "cat", "chmod", "chown", "echo", "id", "ln", "ls", "mkdir", "mv", "pwd", "rm", "sort", "stat", "touch"];

/** Directories, files and links that cases copy onto; fixtures/builds/README.md lists them. */
const ENTRIES: readonly string[] = [
  "d 0755 0:0 bin",
  "d 0755 0:0 etc",
  "f 0644 0:0 etc/passwd root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001:Ada:/home/ada:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  "f 0644 0:0 etc/group root:x:0:\nstaff:x:50:ada\nada:x:1001:\nnogroup:x:65534:\n",
  "d 0755 0:0 dev",
  "d 0755 0:0 proc",
  "d 0755 0:0 sys",
  "d 0700 0:0 root",
  "d 1777 0:0 tmp",
  "d 2750 7:8 kept",
  "f 0600 7:8 kept/old old\n",
  "d 0711 7:8 kept/sub",
  "d 0755 0:0 real",
  "d 0700 3:4 real/dir",
  "l 0:0 abs /real",
  "l 0:0 rel real/dir",
  "l 0:0 dangling /gone/x",
  "l 0:0 loop loop",
  "l 0:0 tofile kept/old",
];

const reader: ContentReader = {
  open: (ref) => {
    if (ref.kind !== "bytes") throw new TypeError(`the base holds ${ref.kind}`);
    return Promise.resolve(
      (async function* () {
        yield ref.bytes;
      })(),
    );
  },
  digest: () => {
    throw new TypeError("not asked for");
  },
};

function baseTree(): FileTree {
  const builder = createTreeBuilder();
  for (const line of ENTRIES) builder.set(baseEntry(line));
  const busybox = findTool("busybox");
  if (busybox === undefined) throw new Error("no busybox");
  builder.set(file("bin/busybox", { mode: 0o755, uid: 0, gid: 0 }, readFileSync(busybox)));
  for (const name of APPLETS) builder.set(baseEntry(`l 0:0 bin/${name} busybox`));
  return builder.finish();
}

function baseEntry(line: string): NewEntry {
  const [, type = "", mode = "777", uid = "0", gid = "0", path = "", rest = ""] = /^([dfl]) (?:([0-7]+) )?(\d+):(\d+) (\S+)(?: (.*))?$/s.exec(line) ?? [];
  const owner = { mode: Number.parseInt(mode, 8), uid: Number(uid), gid: Number(gid) };
  if (type === "f") return file(path, owner, new TextEncoder().encode(rest));
  const common = { path: toBytePath(path), ...owner, mtime: TIME, size: 0 };
  return type === "l" ? { ...common, type: "symlink", linkTarget: toBytePath(rest) } : { ...common, type: "directory" };
}

function file(path: string, owner: { readonly mode: number; readonly uid: number; readonly gid: number }, bytes: Uint8Array): NewEntry {
  return { path: toBytePath(path), type: "file", ...owner, mtime: TIME, size: bytes.length, content: { kind: "bytes", bytes, size: bytes.length } };
}

/** Puts the base into a store under its name and gives its manifest. */
export async function storeBase(store: Store): Promise<Descriptor> {
  const made = await createLayer(store, diffTrees(EMPTY_TREE, baseTree()), reader, {});
  const created = new Date(TIME * 1000).toISOString();
  const descriptor = await storeImage(store, {
    config: {
      architecture: "amd64",
      os: "linux",
      created,
      config: BASE_CONFIG,
      rootfs: { type: "layers", diff_ids: [made.diffID] },
      history: [{ created, created_by: "the base of the goldens" }],
    },
    layers: [await made.blob],
  });
  await store.tag(descriptor, `docker.io/library/${BASE}:latest`);
  return descriptor;
}
