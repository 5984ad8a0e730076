import { createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type BuildOptions } from "@varve/build";
import { isVarveError } from "@varve/errors";
import { type Image, openImage } from "@varve/image";
import { openStore, type Store } from "@varve/store";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storeBase } from "./golden-base.ts";
import { type GoldenCase, goldenCases, isRefused } from "./golden-case.ts";
import { makeContext } from "./golden-context.ts";
import { describeOutcome } from "./golden-outcome.ts";

const cases = goldenCases();
let home: string;
let store: Store;
let base: Image;
let server: Server;

describeWithTools(["busybox"], "fixtures/builds", () => {
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "varve-goldens-"));
    store = await openStore({ root: join(home, "store") });
    base = await openImage(store, await storeBase(store));
    server = createServer((request, response) => {
      // a folder gives f.txt
      const [name = "", path = ""] = new URL(request.url ?? "/", "http://server").pathname.slice(1).split("/");
      const file = join(home, name, "context", path === "" ? "f.txt" : path);
      if (existsSync(file)) createReadStream(file).pipe(response);
      else response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    await store[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  for (const golden of cases) {
    test(golden.name, async () => {
      const outcome = await runCase(golden);
      if (!isRefused(golden.expected)) return expect(outcome).toEqual(golden.expected);
      expect(outcome).toMatchObject([`error ${golden.expected.line} ${golden.expected.code}`, expect.stringContaining(golden.expected.message)]);
    });
  }
});

describe("cases", () => {
  test.each(cases.map((golden) => [golden.name, golden.citations] as const))("%s tells where BuildKit says so", (_name, citations) => {
    expect(citations.length).toBeGreaterThan(0);
  });
});

async function runCase(golden: GoldenCase): Promise<readonly string[]> {
  const folder = join(home, golden.name);
  mkdirSync(folder);
  try {
    await makeContext(join(folder, "context"), golden.context);
    const { descriptor } = await build({
      context: join(folder, "context"),
      file: golden.dockerfile,
      home: join(home, "store"),
      noCache: true,
      ...caseOptions(golden, folder),
    });
    const { listing, config, history } = await describeOutcome(store, await openImage(store, descriptor), base);
    return [...listing, ...config, ...history].map((line) => line.replaceAll(addressOf(golden.name), "http://server"));
  } catch (error) {
    if (!isVarveError(error)) throw error;
    return [`error ${error.source?.range.start.line ?? 0} ${error.code}`, error.message];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where the context's files of a case are served. */
function addressOf(name: string): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
}

/** `option value` lines; a build context is a folder of the case's context. */
function caseOptions({ name: caseName, options: lines }: GoldenCase, folder: string): Partial<BuildOptions> {
  const buildArgs: Record<string, string> = {};
  const labels: Record<string, string> = {};
  const buildContexts: Record<string, string> = {};
  const options: { target?: string; platforms?: string[] } = {};
  for (const line of lines) {
    const [, name = "", value = "", key = "", rest = ""] = /^(\S+) (([^=]*)(?:=(.*))?)$/.exec(line) ?? [];
    if (name === "build-arg") buildArgs[key] = rest;
    else if (name === "label") labels[key] = rest;
    else if (name === "build-context") buildContexts[key] = rest.includes("://") ? rest : join(folder, "context", rest);
    else if (name === "serve") buildArgs["URL"] = addressOf(caseName);
    else if (name === "target") options.target = value;
    else if (name === "platform") options.platforms = [value];
    else throw new Error(`options: ${line}`);
  }
  return { buildArgs, labels, buildContexts, ...options };
}
