import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestsOf, EPOCH, writeContext } from "./determinism.ts";
import { installNode } from "./other-node.ts";
import { createWorkspace, type Workspace } from "./varve.ts";

const NODES = ["20", "22", "24", "26"].map((version) => ({ version, node: installNode(version) }));
const PORTABLE = ["portable=true", "portable=true,compression-level=9", "compression=estargz,portable=true", "compression=uncompressed"];

describe("images built by every Node that varve runs on", () => {
  let space: Workspace;
  let context: string;
  beforeAll(async () => {
    space = await createWorkspace();
    context = await writeContext(join(space.root, "context"), { time: EPOCH + 1000 });
  });
  afterAll(() => space?.[Symbol.asyncDispose]());

  const built = new Map<string, string>();
  const figures: string[] = [];

  for (const { version, node } of NODES) {
    test.skipIf(node === undefined)(`Node ${version}: the portable forms are the same to the last blob, others to the diffIDs`, async () => {
      const shown = spawnSync(node ?? "", ["-p", "`${process.version}, zlib ${process.versions.zlib}, zstd ${process.versions.zstd ?? 'none'}`"], {
        encoding: "utf8",
      });
      for (const form of PORTABLE) {
        const { manifest } = await digestsOf(space, { context, home: join(space.root, `${version} ${form}`), form, ...(node === undefined ? {} : { node }) });
        expect(manifest, form).toBe(built.get(form) ?? manifest);
        built.set(form, manifest);
      }
      const usual = await digestsOf(space, { context, home: join(space.root, version), ...(node === undefined ? {} : { node }) });
      expect(usual.config).toBe(built.get("config") ?? usual.config);
      built.set("config", usual.config);
      figures.push(
        `${shown.stdout.trim()}: ${built.get(PORTABLE[0] ?? "")?.slice(7, 19)} portable, ${usual.manifest.slice(7, 19)} not, config ${usual.config.slice(7, 19)}`,
      );
    });
  }

  test("told", () => {
    console.log(figures.join("\n"));
    expect(figures.length).toBeGreaterThan(0);
  });
});
