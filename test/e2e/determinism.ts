import { chmod, mkdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeBusyboxRoot, runProgram, VARVE, type Workspace } from "./varve.ts";

/** 2021-01-01. Files of the contexts are later. */
export const EPOCH = 1_609_459_200;

const DOCKERFILE = `FROM base:1 AS made
WORKDIR /src
COPY . .
RUN --network=none mkdir out && sort */*.txt > out/sorted && ln out/sorted out/hard && ln -s sorted out/soft && chmod 6750 out/sorted && mkfifo out/pipe && rm -r docs
FROM base:1
WORKDIR /app/deep
COPY --from=made /src/out/ ./
COPY --chmod=600 large ../
COPY <<EOF /etc/motd
laid down in layers
EOF
ADD archive.tar /opt/
RUN --network=none date +%Y > /dev/null; umask 027; mkdir -p /var/lib/app && touch /var/lib/app/a /var/lib/app/b && rm /var/lib/app/a && rm -r /home
LABEL built=yes
`;

/** Files of the context with their modes. */
async function contextFiles(): Promise<ReadonlyMap<string, { readonly mode: number; readonly content: Uint8Array }>> {
  const text = (value: string) => ({ mode: 0o644, content: Buffer.from(value) });
  const entries = Array.from({ length: 60 }, (_, i) => [`${"abc"[i % 3]}/${i}.txt`, text(`line ${i}\n`)] as const);
  const { encodeTarHeader, TAR_END, tarPadding } = await import("@varve/archive");
  const { toBytePath } = await import("@varve/bytes");
  const content = Buffer.from("from an archive\n");
  const owner = { uid: 7, gid: 8, userName: "", groupName: "", deviceMajor: 0, deviceMinor: 0, xattrs: new Map<string, Uint8Array>() };
  const header = {
    ...owner,
    name: toBytePath("in/tar"),
    type: "file",
    mode: 0o640,
    size: content.length,
    mtime: 1_700_000_000,
    linkName: toBytePath(""),
  } as const;
  return new Map([
    ...entries,
    ["docs/readme", text("gone later\n")],
    ["large", { mode: 0o755, content: Buffer.alloc(3_000_000, "a longer file, cut into segments; ") }],
    ["archive.tar", { mode: 0o600, content: Buffer.concat([encodeTarHeader(header), content, tarPadding(content.length), TAR_END]) }],
    ["Dockerfile", text(DOCKERFILE)],
  ]);
}

/** Writes the context, the files in either order, all with one time. */
export async function writeContext(folder: string, how: { readonly reversed?: boolean; readonly time: number }): Promise<string> {
  const files = [...(await contextFiles())];
  for (const [path, { mode, content }] of how.reversed === true ? files.toReversed() : files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await chmod(dirname(file), 0o755);
    await writeFile(file, content);
    await chmod(file, mode);
    await utimes(file, how.time, how.time);
  }
  return folder;
}

/** One way to build the context. */
export interface Variation {
  readonly context: string;
  readonly home: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Programs before varve, e.g. `taskset`. */
  readonly prefix?: readonly string[];
  readonly node?: string;
  /** Of `-o type=image`; the times are rewritten anyway. */
  readonly form?: string;
}

/** Builds the image, the base too when the store lacks it; gives the manifest's digest and the config's. */
export async function digestsOf(space: Workspace, variation: Variation): Promise<{ readonly manifest: string; readonly config: string }> {
  const base = join(space.root, "base");
  if ((await stat(base).catch(() => undefined)) === undefined) {
    await makeBusyboxRoot(join(base, "root"));
    await writeFile(join(base, "Dockerfile"), "FROM scratch\nCOPY root/ /\nENV PATH=/bin:/sbin:/usr/bin:/usr/sbin\n");
  }
  const form = `rewrite-timestamp=true${variation.form === undefined ? "" : `,${variation.form}`}`;
  const metadata = join(space.root, "metadata.json");
  await run(variation, ["build", "-o", `type=image,name=base:1,${form}`, base]);
  await run(variation, ["build", "-o", `type=image,${form}`, "--metadata-file", metadata, ...(variation.args ?? []), variation.context]);
  const told = JSON.parse(await readFile(metadata, "utf8")) as { "containerimage.digest": string; "containerimage.config.digest": string };
  return { manifest: told["containerimage.digest"], config: told["containerimage.config.digest"] };
}

async function run(variation: Variation, args: readonly string[]): Promise<void> {
  const [program = "", ...rest] = [...(variation.prefix ?? []), variation.node ?? process.execPath, VARVE, ...args];
  const env = { VARVE_HOME: variation.home, SOURCE_DATE_EPOCH: String(EPOCH), NO_COLOR: "1", ...variation.env };
  const outcome = await runProgram(program, rest, { env });
  if (outcome.code !== 0) throw new Error(`varve ${args.join(" ")} ended with ${outcome.code}\n${outcome.stderr}`);
}
