import type { RuntimeConfig } from "@varve/oci";
import { describe, expect, it } from "vitest";
import { lines, PATH, plan, refusal, runs, transfers, vertex } from "./plan-case.fixture.ts";

describe("history and config", () => {
  const table: readonly (readonly [string, readonly string[], RuntimeConfig])[] = [
    ["ENV A=1 B='x y'\nENV B=$A$B", ["ENV A=1 B=x y", "ENV B=1x y"], { Env: [PATH, "A=1", "B=1x y"], WorkingDir: "/" }],
    ["ENV A=1\nENV A=2 B=$A", ["ENV A=1", "ENV A=2 B=1"], { Env: [PATH, "A=2", "B=1"], WorkingDir: "/" }],
    ['LABEL a=1\nLABEL a=2 b="3 4"', ["LABEL a=1", "LABEL a=2 b=3 4"], { Env: [PATH], WorkingDir: "/", Labels: { a: "2", b: "3 4" } }],
    ["LABEL __proto__=x", ["LABEL __proto__=x"], { Env: [PATH], WorkingDir: "/", Labels: JSON.parse('{"__proto__":"x"}') as Record<string, string> }],
    [
      "EXPOSE 9000 80/TCP 53/udp 8000-8002",
      ["EXPOSE [53/udp 80/tcp 8000/tcp 8001/tcp 8002/tcp 9000/tcp]"],
      { Env: [PATH], WorkingDir: "/", ExposedPorts: { "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}, "80/tcp": {}, "9000/tcp": {} } },
    ],
    ['ENV P="1 2"\nEXPOSE $P', ["ENV P=1 2", "EXPOSE [1/tcp 2/tcp]"], { Env: [PATH, "P=1 2"], WorkingDir: "/", ExposedPorts: { "1/tcp": {}, "2/tcp": {} } }],
    ['VOLUME /a /b\nVOLUME ["/c d"]', ["VOLUME [/a /b]", "VOLUME [/c d]"], { Env: [PATH], WorkingDir: "/", Volumes: { "/a": {}, "/b": {}, "/c d": {} } }],
    ["USER a:b", ["USER a:b"], { Env: [PATH], WorkingDir: "/", User: "a:b" }],
    ["STOPSIGNAL SIGRTMIN+3", ["STOPSIGNAL SIGRTMIN+3"], { Env: [PATH], WorkingDir: "/", StopSignal: "SIGRTMIN+3" }],
    [
      'CMD ["a\\tb", "\\"é\\u0001\\u00a0"]',
      ['CMD ["a\\tb" "\\"é\\x01\\u00a0"]'],
      { Env: [PATH], WorkingDir: "/", Cmd: ["a\tb", '"é\u0001\u00a0'], ArgsEscaped: true },
    ],
    ["CMD []", ["CMD []"], { Env: [PATH], WorkingDir: "/", ArgsEscaped: true }],
    [
      'SHELL ["/bin/x", "-y"]\nENTRYPOINT a  b',
      ["SHELL [/bin/x -y]", 'ENTRYPOINT ["/bin/x" "-y" "a  b"]'],
      { Env: [PATH], WorkingDir: "/", Shell: ["/bin/x", "-y"], Entrypoint: ["/bin/x", "-y", "a  b"] },
    ],
    ['CMD ["c"]\nENTRYPOINT ["e"]', ['CMD ["c"]', 'ENTRYPOINT ["e"]'], { Env: [PATH], WorkingDir: "/", Cmd: ["c"], Entrypoint: ["e"], ArgsEscaped: true }],
    [
      'HEALTHCHECK --interval=1m30s --timeout=200ms --start-period=1h --start-interval=1.5s --retries=3 CMD ["a", "b"]',
      ["HEALTHCHECK {Test:[CMD a b] Interval:1m30s Timeout:200ms StartPeriod:1h0m0s StartInterval:1.5s Retries:3}"],
      {
        Env: [PATH],
        WorkingDir: "/",
        Healthcheck: { Test: ["CMD", "a", "b"], Interval: 90e9, Timeout: 2e8, StartPeriod: 3600e9, StartInterval: 1.5e9, Retries: 3 },
      },
    ],
    [
      "HEALTHCHECK NONE",
      ["HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}"],
      { Env: [PATH], WorkingDir: "/", Healthcheck: { Test: ["NONE"] } },
    ],
    ["ONBUILD RUN $x\nONBUILD COPY a /b", [], { Env: [PATH], WorkingDir: "/", OnBuild: ["RUN $x", "COPY a /b"] }],
    ["MAINTAINER  me <a@b>", ["MAINTAINER me <a@b>"], { Env: [PATH], WorkingDir: "/" }],
    ["WORKDIR a\nWORKDIR ../b/\nWORKDIR /", ["WORKDIR /a", "WORKDIR /b", "WORKDIR /"], { Env: [PATH], WorkingDir: "/" }],
    ["WORKDIR /x/", ["WORKDIR /x/"], { Env: [PATH], WorkingDir: "/x/" }],
    ["COPY --chown=1:2 --chmod=u=rwX --link a b /d/", ["COPY --chown=1:2 --chmod=u=rwX a b /d/ # buildkit"], { Env: [PATH], WorkingDir: "/" }],
    ["COPY --parents --exclude=x a /", ["COPY --parents a / # buildkit"], { Env: [PATH], WorkingDir: "/" }],
    ["COPY <<A b <<-C /d/\nx\nA\n\ty\nC", ["COPY b <<A <<C /d/ # buildkit"], { Env: [PATH], WorkingDir: "/" }],
    ['RUN ["a", "b c"]', ["RUN a b c # buildkit"], { Env: [PATH], WorkingDir: "/" }],
  ];
  it.each(table)("%j", (text, history, config) => {
    const made = plan(`FROM scratch\n${text}\n`);
    expect(lines(made)).toEqual(history);
    expect(made.config.config).toEqual(config);
  });

  it("marks layers and says who wrote it", () => {
    const { history, layers } = plan('FROM scratch\nWORKDIR /\nWORKDIR /a\nENV a=b\nRUN ["x"]\n');
    expect(history.map(({ entry }) => [entry.comment, entry.empty_layer])).toEqual([
      ["buildkit.dockerfile.v0", true],
      ["buildkit.dockerfile.v0", undefined],
      ["buildkit.dockerfile.v0", true],
      ["buildkit.dockerfile.v0", undefined],
    ]);
    expect(history.flatMap(({ vertex: id }) => id ?? [])).toEqual(layers);
  });

  it("keeps the base's config, unknown keys too, but for created, triggers and what is empty", () => {
    const base = {
      created: "2020-01-01T00:00:00Z",
      author: "a",
      future: { x: 1 },
      history: [{ created_by: "old" }],
      config: { Env: ["A=1"], Entrypoint: null, Labels: {}, OnBuild: ["ENV T=1"], Hostname: "h", WorkingDir: "w" },
    };
    const made = plan('FROM base\nENTRYPOINT ["e"]', { configs: { base } });
    expect(made.config).toEqual({
      os: "linux",
      architecture: "amd64",
      author: "a",
      future: { x: 1 },
      history: [{ created_by: "old" }],
      rootfs: { type: "layers", diff_ids: [] },
      config: { Env: ["A=1", PATH, "T=1"], Hostname: "h", WorkingDir: "/w/w", Entrypoint: ["e"] },
    });
    expect(lines(made)).toEqual(["ENV T=1", 'ENTRYPOINT ["e"]']);
  });

  it("lets ENTRYPOINT clear a CMD of the base or of a parent stage only", () => {
    const configs = { base: { config: { Cmd: ["sh"] } } };
    expect(plan('FROM base\nENTRYPOINT ["e"]', { configs }).config.config?.Cmd).toBeUndefined();
    expect(plan('FROM base AS a\nCMD ["c"]\nFROM a\nENTRYPOINT ["e"]', { configs }).config.config?.Cmd).toBeUndefined();
    expect(plan('FROM base\nCMD ["c"]\nENTRYPOINT ["e"]', { configs }).config.config?.Cmd).toEqual(["c"]);
  });

  it("adds the command line's labels last, without history", () => {
    const made = plan("FROM scratch\nLABEL a=1 b=2", { labels: { b: "x", c: "y" } });
    expect(made.config.config?.Labels).toEqual({ a: "1", b: "x", c: "y" });
    expect(lines(made)).toEqual(["LABEL a=1 b=2"]);
  });
});

describe("RUN", () => {
  it.each<readonly [string, readonly string[]]>([
    ["RUN a  b", ["/bin/sh", "-c", "a  b"]],
    ["RUN a \\\n  b", ["/bin/sh", "-c", "a   b"]],
    ['SHELL ["/bin/bash", "-ec"]\nRUN a', ["/bin/bash", "-ec", "a"]],
    ["RUN <<EOF\necho $A\nEOF", ["/bin/sh", "-c", "echo $A\n"]],
    ["RUN <<-EOF\n\techo\n\tEOF", ["/bin/sh", "-c", "echo\n"]],
    ["RUN cat <<EOF > /x\nhi\nEOF", ["/bin/sh", "-c", "cat <<EOF > /x\nhi\nEOF"]],
    ["RUN cat <<A <<-B\nx\nA\n\ty\nB", ["/bin/sh", "-c", "cat <<A <<-B\nx\nA\n\ty\nB"]],
    ["RUN <<S\n#!/bin/foo\nx\nS", ["/bin/sh", "-c", "/dev/pipes/S"]],
    ["RUN <<-S\n\t#!/bin/foo\n\tx\n\tS", ["/bin/sh", "-c", "/dev/pipes/S"]],
    ["RUN <<S\n\t#!/bin/foo\nx\nS", ["/bin/sh", "-c", "\t#!/bin/foo\nx\n"]],
    ["RUN << S\nx\nS", ["/bin/sh", "-c", "x\n"]],
    ["RUN cat << S > f\nx\nS", ["/bin/sh", "-c", "cat << S > f\nx\nS"]],
  ])("%j", (text, args) => {
    expect(runs(plan(`FROM base\n${text}\n`))[0]?.args).toEqual(args);
  });

  it("shows a script with #! under /dev/pipes", () => {
    expect(runs(plan("FROM base\nRUN <<S\n#!/bin/foo\nx\nS\n"))[0]?.pipes).toEqual([{ name: "S", content: "#!/bin/foo\nx\n" }]);
  });

  it("has user, directory, network and security", () => {
    const text = "FROM base\nUSER u\nWORKDIR /a//b/\nRUN a\nRUN --network=none --security=insecure b\n";
    const [first, second] = runs(plan(text, { network: "host" }));
    expect(first).toMatchObject({ user: "u", workdir: "/a/b", network: "host", security: "sandbox" });
    expect(second).toMatchObject({ network: "none", security: "insecure" });
  });

  it.each<readonly [string, Readonly<Record<string, string>>]>([
    ["target=/x", { type: "bind", target: "/x", source: "/", readonly: "true" }],
    ["type=bind,src=a/../b,dst=y,rw", { type: "bind", target: "/w/y", source: "/b", readonly: "false" }],
    ["type=bind,target=/x,ro=false", { type: "bind", target: "/x", source: "/", readonly: "false" }],
    ["type=cache,target=./c/", { type: "cache", target: "/w/c", source: "/", readonly: "false", id: "c", sharing: "shared" }],
    [
      "type=cache,target=$V/c,id=i,sharing=LOCKED,uid=1,gid=2,mode=0700,ro",
      { type: "cache", target: "/v/c", source: "/", readonly: "true", id: "i", sharing: "locked", uid: "1", gid: "2", mode: "0700" },
    ],
    ["type=tmpfs,target=/t,size=64m", { type: "tmpfs", target: "/t", size: "64m" }],
    ["type=secret,id=s", { type: "secret", id: "s", target: "/run/secrets/s" }],
    ["type=secret,src=a/s", { type: "secret", id: "a/s", target: "/run/secrets/s" }],
    ["type=secret,target=/k/s", { type: "secret", id: "s", target: "/k/s" }],
    ["type=secret,id=s,env=S,required", { type: "secret", id: "s", env: "S", required: "true" }],
    ["type=ssh", { type: "ssh", id: "default" }],
    ["type=ssh,id=k,required=false,target=/a.sock", { type: "ssh", id: "k", required: "false", target: "/a.sock" }],
  ])("--mount=%s", (mount, fields) => {
    const made = plan(`FROM base\nENV V=/v\nWORKDIR /w\nRUN --mount=${mount} a\n`);
    expect(runs(made)[0]?.mounts[0]?.fields).toEqual(fields);
  });

  it.each([
    "type=bund,target=/x",
    "type=bind,target=/",
    "type=bind,target=/x,uid=1",
    "type=cache,target=/x,sharing=all",
    "type=secret",
    "type=secret,id=a,source=b",
    "type=tmpfs,target=/x,required",
    "constructor=1",
    "type=constructor,target=/x",
    "target",
    "type=cache,target=/x,mode=9",
    "target=/x,ro=perhaps",
    "type=tmpfs,target=/x,size=big",
  ])("refuses --mount=%s", (mount) => {
    const error = refusal(`FROM base\nRUN --mount=${mount} a\n`);
    expect(error.code).toBe("PLAN_INVALID_MOUNT");
    expect(error.source?.range.start).toMatchObject({ line: 2, column: 5 });
  });

  it("resolves what mounts show", () => {
    const made = plan(
      "FROM base AS a\nRUN x\nFROM base\nRUN --mount=from=a,target=/a --mount=from=other,target=/b --mount=target=/c --mount=type=cache,target=/d --mount=type=cache,from=a,target=/e y\n",
    );
    const [first, second, third, fourth, fifth] = runs(made).at(-1)?.mounts ?? [];
    expect(first?.from).toBe(runs(made)[0]?.id);
    expect(vertex(made, second?.from)).toMatchObject({ kind: "image", reference: "docker.io/library/other:latest" });
    expect(vertex(made, third?.from)).toMatchObject({ kind: "context", name: "" });
    expect(fourth?.from).toBeUndefined();
    expect(fifth?.from).toBe(first?.from);
  });

  it("warns of fields that mean nothing", () => {
    expect(plan("FROM base\nRUN --mount=type=tmpfs,target=/x,id=a y").warnings.map(({ rule }) => rule)).toEqual(["IgnoredMountField"]);
  });
});

describe("COPY and ADD", () => {
  it.each<readonly [string, string]>([
    ["/a", "/a"],
    ["/a/", "/a/"],
    ["/a/.", "/a/"],
    [".", "/w/"],
    ["./", "/w/"],
    ["b", "/w/b"],
    ["../../../b/", "/b/"],
    ["/", "/"],
    ["$V/x", "/v/x"],
  ])("a destination %s is %s", (destination, expected) => {
    expect(transfers(plan(`FROM base\nENV V=/v\nWORKDIR /w\nCOPY a ${destination}\n`))[0]?.destination).toBe(expected);
  });

  it("tells paths, URLs, repositories and heredocs apart", () => {
    const [made] = transfers(plan("FROM base\nENV v=1\nADD a https://h/x.tgz https://h/r.git#b git@h:r.git ftp://h/x <<E <<'F' /d/\n$v \"q\"\nE\n$v\nF\n"));
    expect(made?.sources).toEqual([
      { kind: "path", pattern: "a", range: expect.anything() },
      { kind: "http", url: "https://h/x.tgz" },
      { kind: "git", url: "https://h/r.git#b", keepGitDir: false },
      { kind: "git", url: "git@h:r.git", keepGitDir: false },
      { kind: "path", pattern: "ftp://h/x", range: expect.anything() },
      { kind: "inline", name: "E", content: '1 "q"\n' },
      { kind: "inline", name: "F", content: "$v\n" },
    ]);
  });

  it("asks for the context only when it is read", () => {
    expect(plan("FROM scratch\nCOPY <<E /x\nE\n").vertices.some(({ kind }) => kind === "context")).toBe(false);
    expect(plan("FROM scratch\nCOPY x /x\n").vertices.some(({ kind }) => kind === "context")).toBe(true);
  });

  it("finds --from by name, number, image and context", () => {
    const text = "FROM base AS One\nRUN a\nFROM scratch\nCOPY --from=oNe /a /\nCOPY --from=0 /a /\nCOPY --from=other /a /\nCOPY --from=ctx /a /\n";
    const made = plan(text, { namedContexts: { ctx: "../dir" } });
    const [run] = runs(made);
    const sources = transfers(made).map(({ from, keepOwner }) => [from === run?.id ? "stage" : vertex(made, from)?.kind, keepOwner]);
    expect(sources).toEqual([
      ["stage", true],
      ["stage", true],
      ["image", true],
      ["context", false],
    ]);
  });

  it.each<readonly [string, string, string]>([
    ["COPY https://h/x /", "PLAN_INVALID_INSTRUCTION", "https://h/x"],
    ["COPY git@h:r.git /", "PLAN_INVALID_INSTRUCTION", "git@h:r.git"],
    ["COPY --chmod=8z a /", "PLAN_INVALID_INSTRUCTION", "--chmod=8z"],
    ["COPY --chmod=10000 a /", "PLAN_INVALID_INSTRUCTION", "--chmod=10000"],
    ["COPY --from=7 a /", "PLAN_UNKNOWN_STAGE", "--from=7"],
    ["COPY --from=UPPER a /", "OCI_INVALID_REFERENCE", "--from=UPPER"],
    ["ADD --checksum=sha256:0 a /", "PLAN_INVALID_INSTRUCTION", "--checksum=sha256:0"],
    ["ADD --checksum=sha256:0 https://h/a /", "PLAN_INVALID_INSTRUCTION", "--checksum=sha256:0"],
    ["EXPOSE 80/icmp", "PLAN_INVALID_INSTRUCTION", "80/icmp"],
    ["EXPOSE 5-3", "PLAN_INVALID_INSTRUCTION", "5-3"],
    ["STOPSIGNAL NOPE", "PLAN_INVALID_INSTRUCTION", "NOPE"],
    ["VOLUME $none", "PLAN_INVALID_INSTRUCTION", "$none"],
    ["ENV a=${b:?gone}", "DOCKERFILE_EXPANSION", "${b:?gone}"],
    ["RUN []", "PLAN_INVALID_INSTRUCTION", "RUN []"],
  ])("refuses %s as %s at %s", (text, code, at) => {
    const error = refusal(`FROM base\n${text}\n`);
    expect(error.code, error.message).toBe(code);
    const source = error.source;
    expect(source?.text.slice(source.range.start.offset, source.range.end.offset)).toBe(at);
  });
});

describe("a stage for Windows", () => {
  const text = "FROM --platform=windows/amd64 scratch AS windows\nCOPY a /b\nCMD x\n";
  it("is made from files, with a warning, and its shell is cmd", () => {
    const { warnings, config } = plan(text, { platform: { os: "windows", architecture: "amd64" } });
    expect(warnings).toContainEqual({
      rule: "WindowsStage",
      message: "The stage is for windows/amd64: its paths are read as Linux paths, and RUN is refused",
      range: expect.anything() as unknown,
    });
    expect(config.config?.Cmd).toEqual(["cmd", "/S", "/C", "x"]);
  });
  it("refuses RUN at its line", () => {
    expect(refusal("FROM --platform=windows/amd64 base\nRUN dir\n")).toMatchObject({
      code: "PLAN_INVALID_INSTRUCTION",
      source: { range: { start: { line: 2 } } },
    });
  });
});
