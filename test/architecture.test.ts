import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Imports point from a tier to a lower one, never within a tier. */
const TIERS: Readonly<Record<string, number>> = {
  errors: 0,
  bytes: 0,
  oci: 1,
  dockerfile: 1,
  archive: 1,
  layer: 2,
  store: 2,
  registry: 2,
  sandbox: 2,
  cache: 2,
  plan: 2,
  context: 3,
  snapshot: 3,
  image: 3,
  build: 4,
  cli: 5,
};
/** For tests only; uses what it makes examples of. */
const TESTKIT = "testkit";
/** Run in a browser too: `node:` modules only behind a condition of package.json's `imports`. */
const BROWSER = ["errors", "bytes", "oci", "dockerfile", "archive", "layer", "plan"];
const SHAPELESS = /^(utils?|helpers|common|misc|types)(\.|$)/;

const root = fileURLToPath(new URL("..", import.meta.url));
const packages = readdirSync(join(root, "packages")).filter((name) => existsSync(join(root, "packages", name, "package.json")));

interface PackageManifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly imports?: Readonly<Record<string, unknown>>;
}

interface SourceFile {
  readonly path: string;
  readonly isTest: boolean;
  readonly imports: readonly string[];
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

function manifestOf(name: string): PackageManifest {
  return readJson(`packages/${name}/package.json`) as PackageManifest;
}

/** Import, export-from and import(): what follows `from` or `import` in quotes. */
function importsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"'\n]+)["']/g)].flatMap((match) => match[1] ?? []);
}

function sourcesOf(name: string): SourceFile[] {
  const folder = join(root, "packages", name, "src");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({
      path: relative(root, join(folder, path)),
      isTest: /\.(test|child|fixture)\.ts$/.test(path) || name === TESTKIT,
      imports: importsOf(readFileSync(join(folder, path), "utf8")),
    }));
}

/** The folder name of a package of the workspace, from `@varve/x`, `@varve/x/sub` or `varve`. */
function workspacePackage(specifier: string): string | undefined {
  if (specifier === "varve" || specifier.startsWith("varve/")) return "cli";
  return /^@varve\/([^/]+)/.exec(specifier)?.[1];
}

function mayImport(from: string, to: string, isTest: boolean): boolean {
  if (to === TESTKIT) return isTest;
  const target = TIERS[to];
  if (target === undefined) return false;
  return from === TESTKIT ? target <= 2 : target < (TIERS[from] ?? -1);
}

/** Every file named anywhere in package.json's `imports`: the two sides of a platform switch. */
function switchedFiles(name: string): string[] {
  return [...JSON.stringify(manifestOf(name).imports ?? {}).matchAll(/"\.\/([^"]+\.ts)"/g)].map((match) => `packages/${name}/${match[1]}`);
}

test("every package has a tier", () => {
  expect(packages.filter((name) => name !== TESTKIT).toSorted()).toEqual(Object.keys(TIERS).toSorted());
});

describe.each(packages)("%s", (name) => {
  const sources = sourcesOf(name);
  const dependencies = Object.keys(manifestOf(name).dependencies ?? {});

  test("imports only packages of lower tiers", () => {
    const wrong = sources.flatMap((file) =>
      file.imports.flatMap((specifier) => {
        const to = workspacePackage(specifier);
        return to === undefined || mayImport(name, to, file.isTest) ? [] : [`${file.path} → ${specifier}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("depends, in package.json and tsconfig.build.json, only on packages of lower tiers", () => {
    const workspace = dependencies.flatMap((dependency) => workspacePackage(dependency) ?? []);
    expect(workspace.filter((to) => !mayImport(name, to, false))).toEqual([]);
    const { references } = readJson(`packages/${name}/tsconfig.build.json`) as { references: readonly { path: string }[] };
    expect(references.map((reference) => reference.path).toSorted()).toEqual(workspace.map((to) => `../${to}/tsconfig.build.json`).toSorted());
  });

  test("depends on all that it imports", () => {
    const imported = sources
      .filter((file) => !/\.(test|child|fixture)\.ts$/.test(file.path))
      .flatMap((file) => file.imports.filter((specifier) => /^[@a-z]/.test(specifier) && !specifier.startsWith("node:")));
    const roots = new Set(imported.map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier));
    expect([...roots].filter((dependency) => !dependencies.includes(dependency))).toEqual([]);
  });

  test("enters other packages by their exports, and stays in its own folder otherwise", () => {
    const wrong = sources.flatMap((file) =>
      file.imports.filter((specifier) => !isReachable(name, file.path, specifier)).map((specifier) => `${file.path} → ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test("needs no Node outside of its platform switch, if it is to run in a browser", () => {
    const switched = switchedFiles(name);
    const wrong = sources.filter(
      (file) => BROWSER.includes(name) && !file.isTest && !switched.includes(file.path) && file.imports.some((specifier) => specifier.startsWith("node:")),
    );
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  test("has names that say what is inside", () => {
    expect(sources.map((file) => file.path).filter((path) => path.split("/").some((part) => SHAPELESS.test(part)))).toEqual([]);
  });

  test("has an index of re-exports only", () => {
    const text = readFileSync(join(root, "packages", name, "src/index.ts"), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    expect(
      text
        .replaceAll(/export (type )?(\{[^}]*\}|\*) from "[^"]+";/g, "")
        .replace("export {};", "")
        .trim(),
    ).toBe("");
  });

  test("has a README", () => {
    expect(existsSync(join(root, "packages", name, "README.md"))).toBe(true);
  });
});

function isReachable(name: string, path: string, specifier: string): boolean {
  if (specifier.startsWith(".")) {
    const target = relative(join(root, "packages", name), resolve(root, dirname(path), specifier));
    return !target.startsWith("..") && basename(target).includes(".");
  }
  const to = workspacePackage(specifier);
  if (to === undefined || !packages.includes(to)) return true;
  const { name: own, exports } = manifestOf(to);
  return `.${specifier.slice(own.length)}` in exports;
}

test("every dependency from outside has a line in ARCHITECTURE.md that says why it", () => {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const table = text.slice(text.indexOf("## Dependencies and why"));
  const outside = packages
    .filter((name) => name !== TESTKIT)
    .flatMap((name) => Object.keys(manifestOf(name).dependencies ?? {}).filter((dependency) => workspacePackage(dependency) === undefined));
  expect([...new Set(outside)].filter((dependency) => !new RegExp(`^\\|.*\\b${dependency.replaceAll(/[^\w]/g, "\\$&")}\\b.*\\|`, "m").test(table))).toEqual([]);
});

test("the rules catch what they forbid", () => {
  expect(mayImport("store", "oci", false)).toBe(true);
  expect(mayImport("store", "layer", false)).toBe(false);
  expect(mayImport("oci", "store", false)).toBe(false);
  expect(mayImport("store", TESTKIT, false)).toBe(false);
  expect(mayImport("store", "unknown", false)).toBe(false);
  const text =
    'import a from "a";\nexport { b } from "b";\nconst c = await import("c");\nimport "d";\n// from "no"\n/* import "no" */ import type { e } from "e";';
  expect(importsOf(text)).toEqual(["a", "b", "c", "d", "e"]);
  expect(isReachable("store", "packages/store/src/x.ts", "../../oci/src/digest.ts")).toBe(false);
  expect(isReachable("store", "packages/store/src/x.ts", "@varve/oci/src/digest.ts")).toBe(false);
  expect(isReachable("store", "packages/store/src/x.ts", "@varve/testkit/blob")).toBe(true);
});
