#!/usr/bin/env node
// Installs the workspace's dependencies with pnpm, fetched through npm. Usage: node scripts/bootstrap.mjs
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PNPM = "12.21.0";
const root = fileURLToPath(new URL("..", import.meta.url));

/** Installs unless the lock file is the one that was installed last. */
export function bootstrap() {
  const stamp = `${root}node_modules/.varve-installed`;
  const lock = readFileSync(`${root}pnpm-lock.yaml`, "utf8");
  if (existsSync(stamp) && statSync(stamp).isFile() && readFileSync(stamp, "utf8") === lock) return;
  const install = spawnSync("npm", ["exec", "--yes", `--package=pnpm@${PNPM}`, "--", "pnpm", "install", "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (install.status !== 0) {
    console.error("bootstrap: pnpm install failed; see above. npm must be able to reach its registry.");
    process.exit(install.status ?? 1);
  }
  mkdirSync(`${root}node_modules`, { recursive: true });
  writeFileSync(stamp, lock);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) bootstrap();
