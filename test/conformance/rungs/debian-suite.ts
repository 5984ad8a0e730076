import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDebianBase } from "../debian-base.ts";
import type { Workspace } from "../../e2e/varve.ts";
import { DEBIAN_CASES } from "./debian-cases.mjs";
import type { RungSuite } from "./rung-suite.ts";

/** What people's Dockerfiles do on a distribution: its packages, users, npm. */
export const DEBIAN_SUITE: RungSuite = { name: "DEBIAN", cases: DEBIAN_CASES, makeContexts, apart: isOfTheMoment };

/** Caches that tell inodes and times; logs; keys that a package made up. */
function isOfTheMoment(path: string): boolean {
  return /^(var\/(cache\/(ldconfig|debconf)|log)\/.|etc\/ssl\/(private|certs)\/.|var\/lib\/(apt\/(lists|extended_states)|dbus)|root\/.npm\/)/.test(path);
}

async function makeContexts(space: Workspace): Promise<void> {
  await makeDebianBase(space, "contexts/debian");
  const manifest = JSON.stringify({ name: "app", version: "1.0.0", dependencies: { "is-odd": "3.0.1" }, devDependencies: { semver: "7.7.1" } });
  const given = await space.files("contexts/given", { "package.json": manifest, ".npmrc": `registry=${npm("config", "get", "registry")}\n` });
  execFileSync("npm", ["install", "--package-lock-only", "--no-audit", "--no-fund"], { cwd: given, stdio: "ignore" });
  const authority = process.env["NODE_EXTRA_CA_CERTS"];
  await space.files("contexts/certificates", { "ca.crt": authority === undefined ? "" : await readFile(authority) });
  const node = join(space.root, "contexts/node");
  for (const folder of ["bin", "lib/node_modules"]) await mkdir(join(node, folder), { recursive: true });
  await cp(process.execPath, join(node, "bin/node"));
  await cp(join(npm("root", "--global"), "npm"), join(node, "lib/node_modules/npm"), { recursive: true });
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(node, "bin/npm"));
  await writeFile(join(node, ".dockerignore"), "");
}

function npm(...args: string[]): string {
  return execFileSync("npm", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}
