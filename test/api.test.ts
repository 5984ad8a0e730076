import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const packages = readdirSync(join(root, "packages")).filter((name) => {
  const manifest = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")) as { private?: boolean };
  return manifest.private !== true;
});

/** `name` or `type name`, as index.ts re-exports it. */
function exportsOf(name: string): string[] {
  const text = readFileSync(join(root, "packages", name, "src/index.ts"), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const stars = [...text.matchAll(/export (?:type )?\* from "[^"]+"/g)].map((match) => match[0]);
  expect(stars, "re-export by name").toEqual([]);
  return [...text.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap((match) =>
    (match[2] ?? "").split(",").flatMap((item) => exportLine(item.trim(), match[1] !== undefined)),
  );
}

function exportLine(item: string, isType: boolean): string[] {
  if (item === "") return [];
  const type = isType || item.startsWith("type ");
  const name = item.replace(/^type /, "").replace(/^.* as /, "");
  return [type ? `type ${name}` : name];
}

describe("the public surface changes on purpose", () => {
  // npx vitest run test/api.test.ts -u writes the new one
  test.each(packages)("%s", async (name) => {
    await expect(`${exportsOf(name).toSorted().join("\n")}\n`).toMatchFileSnapshot(`api/${name}.txt`);
  });
});
