import { readFileSync } from "node:fs";

/** What asks for it. */
export const VERSION_FLAGS: readonly string[] = ["-v", "--version"];

/** The program's version, from its package.json (one folder up from both `src` and `dist`). */
export function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { readonly version: string };
  return manifest.version;
}
