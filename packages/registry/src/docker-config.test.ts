import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Credentials } from "./client.ts";
import { dockerConfigCredentials } from "./docker-config.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-docker-config-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function lookUp(config: unknown, registry: string): Promise<Credentials | undefined> {
  await writeFile(join(folder, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return dockerConfigCredentials({ env: { DOCKER_CONFIG: folder, PATH: `relative:${folder}:/usr/bin:/bin` } })(registry);
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

const ALICE = { kind: "basic", username: "alice", password: "pass:word" };

describe("auths", () => {
  it.each<[string, object, string, unknown]>([
    ["auth", { "r.test": { auth: base64("alice:pass:word") } }, "r.test", ALICE],
    ["an auth padded with NUL", { "r.test": { auth: base64("alice:pass:word\0\0") } }, "r.test", ALICE],
    ["a password beyond ASCII", { "r.test": { auth: base64("alice:pä€") } }, "r.test", { kind: "basic", username: "alice", password: "pä€" }],
    ["username and password", { "r.test": { username: "alice", password: "pass:word" } }, "r.test", ALICE],
    ["an identity token", { "r.test": { auth: base64("alice:"), identitytoken: "it" } }, "r.test", { kind: "identity-token", token: "it" }],
    ["a registry token", { "r.test": { registrytoken: "rt" } }, "r.test", { kind: "bearer", token: "rt" }],
    ["a port", { "r.test:5000": { auth: base64("alice:pass:word") } }, "r.test:5000", ALICE],
    ["another port", { "r.test:5000": { auth: base64("alice:pass:word") } }, "r.test", undefined],
    ["a URL", { "https://r.test/v1/": { auth: base64("alice:pass:word") } }, "r.test", ALICE],
    ["the exact key before a URL", { "https://r.test": { auth: base64("bob:x") }, "r.test": { auth: base64("alice:pass:word") } }, "r.test", ALICE],
    ["Docker Hub", { "https://index.docker.io/v1/": { auth: base64("alice:pass:word") } }, "docker.io", ALICE],
    ["Docker Hub by its name", { "docker.io": { auth: base64("alice:pass:word") } }, "docker.io", ALICE],
    ["an empty entry, as credsStore leaves it", { "r.test": {} }, "r.test", undefined],
    ["another host", { "r.test.evil.test": { auth: base64("alice:pass:word") } }, "r.test", undefined],
    ["__proto__", {}, "__proto__", undefined],
  ])("%s", async (_, auths, registry, expected) => {
    expect(await lookUp({ auths }, registry)).toEqual(expected);
  });

  it("has none without a file", async () => {
    expect(await dockerConfigCredentials({ configFile: join(folder, "none.json") })("r.test")).toBeUndefined();
  });

  it.each(["{", "[]", '{"auths":{"r.test":{"auth":"nocolon"}}}'])("refuses %s without quoting it", async (text) => {
    const error: unknown = await lookUp(text, "r.test").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "REGISTRY_CREDENTIALS" });
    expect(error).not.toHaveProperty("cause");
  });
});

describe("helpers", () => {
  async function helper(name: string, script: string): Promise<void> {
    await writeFile(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, `docker-credential-${name}`), 0o755);
  }

  it("asks credsStore, by Docker Hub's own key", async () => {
    await helper("store", `[ "$1" = get ] && read -r server; printf '{"ServerURL":"%s","Username":"u","Secret":"%s"}' "$server" "$server"`);
    expect(await lookUp({ credsStore: "store" }, "docker.io")).toEqual({ kind: "basic", username: "u", password: "https://index.docker.io/v1/" });
    expect(await lookUp({ credsStore: "store" }, "r.test:5000")).toEqual({ kind: "basic", username: "u", password: "r.test:5000" });
  });

  it("prefers credHelpers, and takes <token> for an identity token", async () => {
    await helper("store", "exit 3");
    await helper("mine", `printf '{"Username":"<token>","Secret":"s"}'`);
    expect(await lookUp({ credsStore: "store", credHelpers: { "r.test": "mine" } }, "r.test")).toEqual({ kind: "identity-token", token: "s" });
  });

  it("falls back to auths where the store has nothing", async () => {
    await helper("store", "echo credentials not found in native keychain; exit 1");
    const auths = { "r.test": { auth: base64("alice:pass:word") } };
    expect(await lookUp({ credsStore: "store", auths }, "r.test")).toEqual(ALICE);
    expect(await lookUp({ credsStore: "store", auths }, "other.test")).toBeUndefined();
  });

  it.each<[string, string]>([
    ["fails", "echo locked; exit 1"],
    ["says no JSON", "echo secret-that-must-not-show"],
    ["never ends its answer", "yes"],
  ])("refuses one that %s", async (_, script) => {
    await helper("store", script);
    const error: unknown = await lookUp({ credsStore: "store" }, "r.test").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "REGISTRY_CREDENTIALS" });
    expect(JSON.stringify(error) + String(error)).not.toContain("secret-that");
  });

  it.each(["missing", "../up", "a b"])("names a helper that isn't there: %s", async (name) => {
    await expect(lookUp({ credsStore: name }, "r.test")).rejects.toMatchObject({
      code: "REGISTRY_CREDENTIALS",
      message: expect.stringContaining(`docker-credential-${name}`),
    });
  });
});
