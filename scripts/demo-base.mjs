// Makes the root filesystem of a small base image from this machine's own shell tools and the libraries they load.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const TOOLS = [
  "sh",
  "cat",
  "chmod",
  "cp",
  "date",
  "env",
  "head",
  "id",
  "ls",
  "mkdir",
  "mv",
  "rm",
  "sed",
  "grep",
  "sleep",
  "sort",
  "tail",
  "touch",
  "tr",
  "uname",
  "wc",
];

function findTool(name) {
  for (const folder of (process.env.PATH ?? "/usr/bin:/bin").split(":")) {
    const path = join(folder, name);
    if (folder !== "" && existsSync(path)) return realpathSync(path);
  }
  throw new Error(`no ${name} in PATH to make the demo's base image from`);
}

/** Absolute paths of the libraries a program loads, the loader included; none for a static one. */
function librariesOf(program) {
  let listing;
  try {
    listing = execFileSync("ldd", [program], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return [];
  }
  return [...listing.matchAll(/(?:=>\s+)?(\/\S+)\s+\(0x/g)].map((match) => match[1]);
}

/** Fills `root` with bin, lib, etc and tmp; returns the number of files. */
export function makeBaseRoot(root) {
  rmSync(root, { recursive: true, force: true });
  const files = new Map();
  for (const tool of TOOLS) {
    const program = findTool(tool);
    files.set(`/bin/${tool}`, program);
    // a script (some systems' ldd, egrep) would need its interpreter; these tools are programs everywhere
    if (readFileSync(program).subarray(0, 2).toString() === "#!") throw new Error(`${program} is a script; the demo needs a program`);
    for (const library of librariesOf(program)) files.set(library, realpathSync(library));
  }
  for (const [target, source] of files) {
    mkdirSync(dirname(join(root, target)), { recursive: true });
    copyFileSync(source, join(root, target));
    chmodSync(join(root, target), 0o755);
  }
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\nvarve:x:1000:1000::/:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nvarve:x:1000:\n");
  mkdirSync(join(root, "tmp"));
  chmodSync(join(root, "tmp"), 0o1777);
  return files.size + 2;
}
