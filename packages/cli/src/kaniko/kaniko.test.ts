import { createRedactor } from "@varve/errors";
import { describe, expect, it } from "vitest";
import type { Session } from "../session.ts";
import { parseKanikoArguments } from "./kaniko-arguments.ts";
import { kanikoContext } from "./kaniko-context.ts";
import { kanikoOptions } from "./kaniko-options.ts";

const session = (env: NodeJS.ProcessEnv = {}): Session => ({
  signal: new AbortController().signal,
  env,
  home: "/home",
  insecureRegistries: [],
  redactor: createRedactor(),
  print: () => {},
  say: () => {},
  debug: false,
});
const usage = (message: string): object => expect.objectContaining({ code: "CLI_USAGE", message: expect.stringContaining(message) as string }) as object;

describe("the executor's command line", () => {
  it("is written as Go's flags are", () => {
    const flags = parseKanikoArguments(["--context=dir://x", "-f", "D", "--destination", "a:1", "-d=b:2", "--cache=true", "--no-push=false", "--insecure"]);
    expect(flags.text("context")).toBe("dir://x");
    expect(flags.text("dockerfile")).toBe("D");
    expect(flags.list("destination")).toEqual(["a:1", "b:2"]);
    expect([flags.on("cache"), flags.on("no-push"), flags.on("insecure"), flags.on("reproducible")]).toEqual([true, false, true, false]);
  });

  it("may be in older spellings, and say how to compress", () => {
    const flags = parseKanikoArguments(["--tarPath=/t", "--customPlatform", "linux/arm64", "--no-push", "--compression=zstd", "--compression-level", "3"]);
    const { platforms, outputs } = kanikoOptions(session(), flags);
    expect(platforms).toEqual(["linux/arm64"]);
    expect(outputs).toContainEqual({ type: "docker", dest: "/t", tar: true, names: [], form: { compression: "zstd", compressionLevel: 3 } });
    expect(() => kanikoOptions(session(), parseKanikoArguments(["--no-push", "--compression=xz"]))).toThrow(usage("neither gzip nor zstd"));
  });

  it("tells which flags have no meaning here", () => {
    expect(parseKanikoArguments(["--single-snapshot", "--snapshot-mode=redo", "--cache"]).without).toEqual([
      "--single-snapshot has no meaning here: each instruction makes its layer, as docker build does",
      "--snapshot-mode has no meaning here: what a step changed is found from the file system itself, exactly",
    ]);
  });

  it.each([
    [["--bogus"], "unknown flag --bogus"],
    [["--bogus=1"], "unknown flag --bogus"],
    [["--constructor"], "unknown flag --constructor"],
    [["--cache=maybe"], '--cache is true or false, not "maybe"'],
    [["--context"], "argument missing"],
    [["stray"], 'unexpected argument "stray"'],
    [["--bucket=b"], "--bucket is not supported"],
    [["--registry-mirror", "m"], "--registry-mirror is not supported"],
  ])("%j is refused", (args, message) => expect(() => parseKanikoArguments(args)).toThrow(usage(message)));
});

describe("contexts", () => {
  const context = (text: string, options: { readonly subPath?: string; readonly git?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {}): object =>
    kanikoContext({ context: text, subPath: options.subPath ?? "", dockerfile: "no/Dockerfile", git: options.git ?? [] }, session(options.env));

  it.each([
    ["/workspace/", {}, { context: "/workspace/", file: "/workspace/no/Dockerfile" }],
    ["dir:///workspace", { subPath: "sub" }, { context: "/workspace/sub", file: "/workspace/sub/no/Dockerfile" }],
    ["tar://stdin", {}, { context: "-", file: "no/Dockerfile" }],
    ["https://host.example/ctx.tar.gz", {}, { context: "https://host.example/ctx.tar.gz", file: "no/Dockerfile" }],
    ["git://host.example/a/b", {}, { context: "https://host.example/a/b.git#", file: "no/Dockerfile" }],
    ["git://host.example/a/b.git#refs/heads/main", { subPath: "sub" }, { context: "https://host.example/a/b.git#main:sub", file: "no/Dockerfile" }],
    ["git://host.example/a/b.git#refs/heads/main#0123abc", {}, { context: "https://host.example/a/b.git#0123abc", file: "no/Dockerfile" }],
    ["git://host.example/a/b.git", { git: ["branch=dev,single-branch=true"] }, { context: "https://host.example/a/b.git#dev", file: "no/Dockerfile" }],
    [
      "git://h.example/a.git",
      { env: { GIT_PULL_METHOD: "http", GIT_TOKEN: "t/1" } },
      { context: "http://x-access-token:t%2F1@h.example/a.git#", file: "no/Dockerfile" },
    ],
  ])("%s %j", (text, options, expected) => expect(context(text, options)).toEqual(expected));

  it.each([
    ["gs://bucket/x.tar.gz", {}, "contexts from gs:// are not supported"],
    ["ftp://x", {}, "unknown kind of context"],
    ["tar:///nothing/here.tar", {}, "there is no context"],
    ["tar://stdin", { subPath: "a" }, "--context-sub-path of a tar is not supported"],
    ["git://h.example/a.git", { git: ["recurse-submodules=true"] }, "--git recurse-submodules is not supported"],
  ])("%s %j is refused", (text, options, message) => expect(() => context(text, options)).toThrow(usage(message)));
});

describe("builds", () => {
  const options = (...args: string[]): ReturnType<typeof kanikoOptions> => kanikoOptions(session(), parseKanikoArguments(["-c", "/c", ...args]));

  it("push to every destination, unless they must not", () => {
    expect(options("-d", "r.example/a:1", "-d", "r.example/b:2").outputs).toEqual([{ type: "image", names: ["r.example/a:1", "r.example/b:2"], push: true }]);
    expect(options("-d", "a:1", "--no-push", "--tar-path", "t", "--oci-layout-path", "l").outputs).toEqual([
      { type: "image", names: ["a:1"], push: false },
      { type: "docker", dest: "t", tar: true, names: ["a:1"] },
      { type: "oci", dest: "l", tar: false, names: ["a:1"] },
    ]);
    expect(() => options()).toThrow(usage("no --destination is given"));
  });

  it("use a cache only with --cache, beside the first destination unless a repository is named", () => {
    expect(options("-d", "r.example/a:1")).toMatchObject({ noCache: true });
    expect(options("-d", "r.example/a:1", "--cache")).toMatchObject({
      noCache: false,
      cacheRepository: { name: "r.example/a/cache", maxAge: 1_209_600, readOnly: false },
    });
    expect(options("--no-push", "--cache", "--cache-repo", "c.example/c", "--cache-ttl=1h30m", "--no-push-cache")).toMatchObject({
      cacheRepository: { name: "c.example/c", maxAge: 5400, readOnly: true },
    });
    expect(() => options("--no-push", "--cache", "--cache-repo=c", "--cache-ttl=soon")).toThrow(usage("is no duration"));
    expect(() => options("--no-push", "--cache", "--cache-repo=oci:/c")).toThrow(usage("oci: is not supported"));
  });

  it("set every time to 0 with --reproducible", () => {
    expect(options("-d", "a:1", "--reproducible")).toMatchObject({ sourceDateEpoch: 0, outputs: [{ form: { rewriteTimestamp: true } }] });
  });

  it("trust the registries they are told to", () => {
    expect(options("-d", "r.example:5000/a", "--insecure", "--insecure-pull", "--skip-tls-verify-registry", "s.example")).toMatchObject({
      insecureRegistries: ["s.example", "r.example:5000", "*"],
    });
  });
});
