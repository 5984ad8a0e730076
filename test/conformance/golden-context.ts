import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { encodeTarHeader, TAR_END, type TarHeader, tarPadding } from "@varve/archive";
import { toBytePath } from "@varve/bytes";

const TIME = 1_700_000_000;

/** Makes the folder that a case's `context` tells of. */
export async function makeContext(folder: string, lines: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const [kind = "", ...words] = line.split(" ").map((word) => word.replaceAll("%20", " "));
    if (kind !== "t") {
      await makeEntry(folder, { kind, words, line });
      continue;
    }
    const members: string[] = [];
    while (lines[at + 1]?.startsWith("  ") === true) members.push((lines[++at] ?? "").trim());
    writeFileSync(join(folder, words[0] ?? ""), archive(members, words[1]));
  }
}

async function makeEntry(
  folder: string,
  { kind, words, line }: { readonly kind: string; readonly words: readonly string[]; readonly line: string },
): Promise<void> {
  const [first = "", second = ""] = words;
  const path = join(folder, kind === "l" || kind === "h" ? first : second);
  const mode = Number.parseInt(first, 8);
  mkdirSync(dirname(path), { recursive: true });
  switch (kind) {
    case "d":
      mkdirSync(path, { recursive: true });
      break;
    case "f":
      writeFileSync(path, content(line));
      break;
    case "l":
      return symlinkSync(second, path);
    case "h":
      return linkSync(join(folder, second), path);
    case "p":
      execFileSync("mkfifo", [path]);
      break;
    case "s":
      await leaveSocket(path);
      break;
    default:
      throw new Error(`context: ${line}`);
  }
  chmodSync(path, mode);
}

/** A socket without a listener: closing a server would take its name away, so it is linked first. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.bound`);
  await new Promise((resolve) => server.once("listening", resolve));
  linkSync(`${path}.bound`, path);
  await new Promise((resolve) => server.close(resolve));
}

function content(line: string): string {
  const quote = line.indexOf(' "');
  return quote < 0 ? "" : (JSON.parse(line.slice(quote + 1, line.lastIndexOf('"') + 1)) as string);
}

function archive(members: readonly string[], compression: string | undefined): Uint8Array {
  const tar = Buffer.concat([...members.flatMap(member), TAR_END]);
  switch (compression) {
    case undefined:
      return tar;
    case "gzip":
      return gzipSync(tar);
    case "cut":
      return tar.subarray(0, 600);
    default:
      return execFileSync(compression, ["-c"], { input: tar });
  }
}

function member(line: string): Uint8Array[] {
  const [kind = "", ...words] = line.split(" ");
  const common = { mtime: TIME, size: 0, linkName: toBytePath(""), deviceMajor: 0, deviceMinor: 0, userName: "", groupName: "", xattrs: new Map() };
  const header = (type: TarHeader["type"], rest: Partial<TarHeader>): TarHeader => ({
    ...common,
    type,
    name: toBytePath(""),
    mode: 0o777,
    uid: 0,
    gid: 0,
    ...rest,
  });
  const [uid = 0, gid = 0] = (words[kind === "l" ? 0 : 1] ?? "").split(":").map(Number);
  const bytes = new TextEncoder().encode(content(line));
  const name = toBytePath(words[2] ?? "");
  const mode = Number.parseInt(words[0] ?? "", 8);
  const [deviceMajor = 0, deviceMinor = 0] = (words[3] ?? "").split(":").map(Number);
  switch (kind) {
    case "d":
      return [encodeTarHeader(header("directory", { name: toBytePath(`${words[2] ?? ""}/`), mode, uid, gid }))];
    case "f":
      return [encodeTarHeader(header("file", { name, mode, uid, gid, size: bytes.length, xattrs: attributes(line) })), bytes, tarPadding(bytes.length)];
    case "p":
      return [encodeTarHeader(header("fifo", { name, mode, uid, gid }))];
    case "c":
      return [encodeTarHeader(header("char", { name, mode, uid, gid, deviceMajor, deviceMinor }))];
    case "l":
      return [encodeTarHeader(header("symlink", { name: toBytePath(words[1] ?? ""), linkName: toBytePath(words[2] ?? ""), uid, gid }))];
    case "h":
      return [encodeTarHeader(header("hardlink", { name, linkName: toBytePath(words[3] ?? ""), mode, uid, gid }))];
    default:
      throw new Error(`archive: ${line}`);
  }
}

/** `name=hex` after a file's content. */
function attributes(line: string): ReadonlyMap<string, Uint8Array> {
  const words = line
    .slice(line.lastIndexOf('"') + 1)
    .split(" ")
    .filter((word) => word !== "");
  return new Map(words.map((word) => [word.split("=")[0] ?? "", Buffer.from(word.split("=")[1] ?? "", "hex")] as const));
}
