import { execFileSync, spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GitServer, serveGit } from "./git-server.ts";
import { createWorkspace, type Outcome, VARVE, type Workspace } from "./varve.ts";

let space: Workspace;
beforeAll(async () => {
  space = await createWorkspace();
});
afterAll(async () => {
  await space[Symbol.asyncDispose]();
});

/** Builds into a folder; gives what is in it. */
async function filesOf(args: readonly string[], input?: Uint8Array): Promise<string[]> {
  const out = join(space.root, `out-${Math.random().toString(36).slice(2)}`);
  const outcome = await program(["build", "-o", out, ...args], input);
  if (outcome.code !== 0) throw new Error(outcome.stderr);
  return execFileSync("find", [".", "-mindepth", "1", "-printf", "%P\n"], { cwd: out, encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "")
    .toSorted();
}

/** As the workspace's `varve`, with bytes on stdin. */
function program(args: readonly string[], input?: Uint8Array): Promise<Outcome> {
  const child = spawn(process.env["VARVE_TEST_NODE"] ?? process.execPath, [VARVE, ...args], {
    cwd: space.root,
    env: { ...process.env, VARVE_HOME: space.home, NO_COLOR: "1" },
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, stdout: "", stderr })));
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("where the context and the Dockerfile come from", () => {
  it("a Dockerfile on stdin has an empty context", async () => {
    expect(await filesOf(["-"], text("FROM scratch\nCOPY <<EOF /a\nhi\nEOF\n"))).toEqual(["a"]);
    const failed = await program(["build", "-"], text("FROM scratch\nCOPY x /\n"));
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("BUILD_COPY_SOURCE_NOT_FOUND");
  });

  it("a tar on stdin keeps its owners, and --chown is given its own", async () => {
    const context = await space.files("owned", { Dockerfile: "FROM scratch\nCOPY a /\nCOPY --chown=3:4 a /b\n", a: "" });
    const tar = execFileSync("tar", ["-C", context, "--owner=7", "--group=8", "-cf", "-", "."], { maxBuffer: 1e8 });
    const outcome = await program(["build", "-o", "type=tar,dest=owned.tar", "-"], tar);
    expect(outcome.code).toBe(0);
    const listed = execFileSync("tar", ["--numeric-owner", "-tvf", join(space.root, "owned.tar")], { encoding: "utf8" });
    expect(listed).toMatch(/ 7\/8 .* a$/m);
    expect(listed).toMatch(/ 3\/4 .* b$/m);
  });

  it("a tar on stdin, compressed or not, is the context", async () => {
    const context = await space.files("tarred", { Dockerfile: "FROM scratch\nCOPY . /c/\n", "d/x": "1", "other.Dockerfile": "FROM scratch\nCOPY d /other\n" });
    for (const flag of ["-c", "-cz", "-cJ"]) {
      const tar = execFileSync("tar", ["-C", context, `${flag}f`, "-", "."], { maxBuffer: 1e8 });
      expect(await filesOf(["-"], tar)).toEqual(["c", "c/Dockerfile", "c/d", "c/d/x", "c/other.Dockerfile"]);
      expect(await filesOf(["-f", "other.Dockerfile", "-"], tar)).toEqual(["other", "other/x"]);
    }
  });

  it("a Dockerfile on stdin beside a directory", async () => {
    const context = await space.files("plain", { "d/x": "1", ".dockerignore": "d/y", "d/y": "2" });
    expect(await filesOf(["-f", "-", context], text("FROM scratch\nCOPY d /c\n"))).toEqual(["c", "c/x"]);
  });

  it("neither a tar nor a text is refused", async () => {
    const outcome = await program(["build", "-"], Uint8Array.of(0, 1, 2, 3));
    expect(outcome.stderr).toContain("CONTEXT_INVALID_ARCHIVE");
    expect(outcome.code).toBe(1);
  });

  it("a named context is a directory", async () => {
    const context = await space.files("main", { Dockerfile: "FROM scratch\nCOPY --from=more x /\n" });
    const more = await space.files("more", { x: "1" });
    expect(await filesOf(["--build-context", `more=${more}`, context])).toEqual(["x"]);
  });

  it("a Dockerfile in lower case is found", async () => {
    const context = await space.files("lower", { dockerfile: "FROM scratch\nCOPY dockerfile /\n" });
    expect(await filesOf([context])).toEqual(["dockerfile"]);
  });
});

describe("URLs", () => {
  let server: Server;
  let url: string;
  beforeAll(async () => {
    const context = await space.files("served", { Dockerfile: "FROM scratch\nCOPY x /\n", x: "1" });
    const tar = execFileSync("tar", ["-C", context, "-czf", "-", "."]);
    server = createServer((request, response) => {
      if (request.url === "/context.tar.gz") response.end(tar);
      else if (request.url === "/Dockerfile") response.end("FROM scratch\nCOPY <<EOF /url\nEOF\n");
      else response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it("a tar is the context, a text the Dockerfile", async () => {
    expect(await filesOf([`${url}/context.tar.gz`])).toEqual(["x"]);
    expect(await filesOf([`${url}/Dockerfile`])).toEqual(["url"]);
    expect(await filesOf(["-f", `${url}/Dockerfile`, await space.files("local", { x: "1" })])).toEqual(["url"]);
    const missing = await program(["build", `${url}/none`]);
    expect(missing.stderr).toContain("CONTEXT_DOWNLOAD_FAILED");
  });
});

describe("contexts given by name", () => {
  it("what is at a URL is one file, never unpacked", async () => {
    const packed = execFileSync("tar", ["-C", space.root, "-cf", "-", "--files-from=/dev/null"]);
    const server = createServer((_, response) => response.setHeader("last-modified", "Sat, 29 Oct 1994 19:43:31 GMT").end(packed)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const context = await space.files("by-url", { Dockerfile: "FROM scratch\nCOPY --from=h . /all/\nCOPY --from=h context /x\n" });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.tar`;
    const outcome = await program(["build", "-o", "type=tar,dest=by-url.tar", "--build-context", `h=${url}`, context]);
    expect(outcome.code).toBe(0);
    const listed = execFileSync("tar", ["--numeric-owner", "-tvf", join(space.root, "by-url.tar")], { encoding: "utf8", env: { ...process.env, TZ: "UTC" } });
    expect(listed).toMatch(/^-rw------- 0\/0 +10240 1994-10-29 19:43 all\/context$/m);
    expect(listed).toMatch(/^-rw------- 0\/0 +10240 1994-10-29 19:43 x$/m);
    await new Promise((resolve) => server.close(resolve));
  });

  it("target: is a stage of the same file", async () => {
    const context = await space.files("targets", {
      Dockerfile:
        "FROM scratch AS t1\nCOPY Dockerfile /one\nFROM x AS mid\nCOPY Dockerfile /two\nFROM scratch\nCOPY --from=x one /copied\nCOPY --from=mid / /mid\n",
    });
    expect(await filesOf(["--build-context", "x=target:t1", context])).toEqual(["copied", "mid", "mid/one", "mid/two"]);
    const unknown = await program(["build", "--build-context", "x=target:t2", context]);
    expect(unknown.stderr).toMatch(/target:t2.*PLAN_UNKNOWN_STAGE[^]*did you mean t1\?/);
  });

  it("a name that --from can't say is refused", async () => {
    const context = await space.files("upper", { Dockerfile: "FROM scratch\nCOPY --from=zz x /\n" });
    const outcome = await program(["build", "--build-context", "ZZ=.", context]);
    expect(outcome.stderr).toMatch(/invalid context name "ZZ".*BUILD_INVALID_OPTION[^]*zz/);
    expect(outcome.code).not.toBe(0);
  });
});

describeWithTools(["git"], "git repositories", () => {
  let daemon: GitServer;
  let url: string;
  let first: string;
  beforeAll(async () => {
    const base = join(space.root, "git");
    const repository = join(base, "repo.git");
    await mkdir(join(repository, "sub"), { recursive: true });
    const git = (...args: readonly string[]): string =>
      execFileSync("git", ["-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args], {
        encoding: "utf8",
        env: { ...process.env, GIT_COMMITTER_DATE: "1600000000 +0000", GIT_AUTHOR_DATE: "1600000000 +0000" },
      }).trim();
    git("init", "-q", "-b", "main");
    await writeFile(join(repository, "Dockerfile"), "FROM scratch\nCOPY . /c/\n");
    await writeFile(join(repository, "sub/Dockerfile"), "FROM scratch\nCOPY . /s/\n");
    await writeFile(join(repository, "run.sh"), "#!/bin/sh\n", { mode: 0o777 });
    git("add", ".");
    git("commit", "-qm", "one");
    git("tag", "v1");
    first = git("rev-parse", "HEAD");
    await writeFile(join(repository, "second"), "");
    await symlink("/etc", join(repository, "outside"));
    git("add", ".");
    git("commit", "-qm", "two");
    // for plain web servers
    git("update-server-info");
    daemon = await serveGit(base, "repo.git");
    url = `git://${daemon.host}/repo.git`;
  });
  afterAll(() => daemon.stop());

  it("are contexts: whole, at a ref, in a folder", async () => {
    expect(await filesOf([url])).toEqual(["c", "c/Dockerfile", "c/outside", "c/run.sh", "c/second", "c/sub", "c/sub/Dockerfile"]);
    expect(await filesOf([`${url}#v1`])).not.toContain("c/second");
    expect(await filesOf([`${url}#${first}:sub`])).toEqual(["s", "s/Dockerfile"]);
    expect(await filesOf([`${url}?commit=${first.slice(0, 10)}&subdir=sub`])).toEqual(["s", "s/Dockerfile"]);
    expect(await filesOf([`${url}?branch=main`])).toContain("c/second");
    expect(await filesOf(["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", `${url}#v1`])).toContain("c/.git/HEAD");
  });

  it("are fetched from plain web servers too, which know no shallow history", async () => {
    const server = createServer((request, response) => {
      const file = join(space.root, "git", decodeURIComponent(request.url?.split("?", 1)[0] ?? ""));
      readFile(file).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const plain = `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo.git/.git`;
    expect(await filesOf([plain])).toContain("c/second");
    expect(await filesOf([`${plain}#v1`])).not.toContain("c/second");
    const context = await space.files("plain", {
      Dockerfile: `FROM scratch
ADD ${plain}?tag=v1&keep-git-dir=1&checksum=${first.slice(0, 12)} /r
`,
    });
    expect(await filesOf([context])).toEqual(expect.arrayContaining(["r/.git/HEAD", "r/run.sh"]));
    await new Promise((resolve) => server.close(resolve));
  });

  it("are sources of ADD, with normal modes and the commit's time", async () => {
    const context = await space.files("adds", { Dockerfile: `FROM scratch\nADD ${url}#main /r\nADD --keep-git-dir=true ${url}#v1:sub /k/\n` });
    const tar = join(space.root, "git.tar");
    await space.ok(["build", "-o", `type=tar,dest=${tar}`, context]);
    const listed = execFileSync("tar", ["--numeric-owner", "--utc", "-tvf", tar], { encoding: "utf8" });
    expect(listed).toMatch(/-rwxr-xr-x 0\/0 .* 2020-09-13 12:26 r\/run\.sh/);
    expect(listed).toMatch(/-rw-r--r-- 0\/0 .* 2020-09-13 12:26 r\/second/);
    expect(listed).not.toContain("r/.git");
    const trace = join(space.root, "git.trace");
    const again = await space.ok(["build", "--progress", "plain", context], { env: { GIT_TRACE: trace } });
    expect(again.stderr.match(/CACHED/g)).toHaveLength(2);
    // nothing was fetched to find that out
    expect(await readFile(trace, "utf8")).toMatch(/built-in: git ls-remote/);
    expect(await readFile(trace, "utf8")).not.toMatch(/built-in: git (?:fetch|init)/);
    const elsewhere = await space.files("adds2", { Dockerfile: `FROM scratch\nADD ${url}#main /r2\nADD ${url}#${first} /first\nADD ${url}#v1 /v1\n` });
    const files = await filesOf([elsewhere]);
    expect(files).toEqual(expect.arrayContaining(["r2/second", "first/run.sh", "v1/run.sh"]));
    expect(files).not.toContain("v1/second");
  });

  it("that aren't what they should be are told", async () => {
    const wrong = await program(["build", `${url}#nosuch`]);
    expect(wrong.stderr).toContain("CONTEXT_GIT_FAILED");
    for (const [rest, message] of [
      [`#${first.slice(0, 10)}`, "?commit="],
      ["?branch=v1", "refs/heads/v1"],
      ["?foo=bar", "DOCKERFILE_GIT_REFERENCE"],
      [`?tag=v1&commit=${"0".repeat(40)}`, "CONTEXT_CHECKSUM_MISMATCH"],
    ] as const)
      expect((await program(["build", `${url}${rest}`])).stderr).toContain(message);
    const context = await space.files("sums", { Dockerfile: `FROM scratch\nADD --checksum=${"0".repeat(40)} ${url} /r\n` });
    expect((await program(["build", context])).stderr).toContain("CONTEXT_CHECKSUM_MISMATCH");
    expect((await program(["build", `${url}?branch=main&checksum=${first}`])).stderr).toContain("CONTEXT_CHECKSUM_MISMATCH");
    expect((await program(["build", `${url}#main:nosuch`])).stderr).toContain('repo.git has no folder "nosuch"');
    expect((await program(["build", `${url}#main:outside`])).stderr).toContain('repo.git has no folder "outside"');
    const odd = await space.files("odd", { Dockerfile: `FROM scratch\nADD --keep-git-dir=true ${url}?keep-git-dir=0 /r\nADD ${url}?depth=1 /r\n` });
    expect((await program(["build", odd])).stderr).toMatch(/Dockerfile:2:25[^]*at odds/);
  });

  it("keep .git where the URL or an argument says so", async () => {
    expect(await filesOf([`${url}?keep-git-dir`])).toContain("c/.git/HEAD");
    expect(await filesOf(["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", url])).toContain("c/.git/HEAD");
    expect(await filesOf(["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", `${url}?keep-git-dir=false`])).not.toContain("c/.git/HEAD");
  });

  it("say what SOURCE_DATE_EPOCH is: as the context, by name, or in a stage of its own", async () => {
    const dockerfile = `FROM scratch AS t\nADD ${url}#v1 /\nFROM scratch\nARG SOURCE_DATE_EPOCH\nCOPY <<EOF /\${SOURCE_DATE_EPOCH}\nEOF\n`;
    const context = await space.files("epoch", { Dockerfile: dockerfile });
    const given = (epoch: string): string[] => ["--build-arg", `SOURCE_DATE_EPOCH=${epoch}`];
    expect(await filesOf([...given("t"), context])).toEqual(["1600000000"]);
    expect(await filesOf([...given("more"), "--build-context", `more=${url}`, context])).toEqual(["1600000000"]);
    expect(await filesOf([...given("context"), "-f", join(context, "Dockerfile"), context])).not.toContain("1600000000");
  });

  it("come from a server that only has files", async () => {
    execFileSync("git", ["-C", join(space.root, "git/repo.git/.git"), "update-server-info"]);
    const files = createServer((request, response) => {
      const path = join(space.root, "git/repo.git/.git", (request.url ?? "").replace(/^\/r\.git|\?.*$/g, ""));
      readFile(path).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    }).listen(0, "127.0.0.1");
    try {
      await once(files, "listening");
      const dumb = `http://127.0.0.1:${(files.address() as AddressInfo).port}/r.git`;
      expect(await filesOf([dumb])).toContain("c/second");
      expect(await filesOf([`${dumb}?tag=v1`])).not.toContain("c/second");
    } finally {
      files.close();
    }
  });
});
