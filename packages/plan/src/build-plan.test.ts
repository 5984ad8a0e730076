import { parseDockerfile } from "@varve/dockerfile";
import { isVarveError, renderDiagnostic, type VarveError } from "@varve/errors";
import type { ImageConfig, Platform, RuntimeConfig } from "@varve/oci";
import { describe, expect, it } from "vitest";
import {
  inputsOf,
  type Plan,
  planBuild,
  type PlanOptions,
  requiredBases,
  type ResolvedBase,
  type RunVertex,
  type TransferVertex,
  type Vertex,
} from "./index.ts";

const AMD64: Platform = { os: "linux", architecture: "amd64" };
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

interface Given extends Partial<PlanOptions> {
  /** Runtime configs by the base's name as in FROM; `base` for any other. */
  readonly configs?: Readonly<Record<string, Partial<ImageConfig> & { readonly config?: RuntimeConfig }>>;
}

function resolved(reference: string, given: Given): ResolvedBase {
  const found = Object.entries(given.configs ?? {}).find(([name]) => reference.endsWith(`/${name}:latest`))?.[1];
  return {
    digest: `sha256:${"ab".repeat(32)}`,
    config: { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] }, config: { Env: [PATH] }, ...found },
  };
}

function plan(text: string, given: Given = {}): Plan {
  const dockerfile = parseDockerfile(text);
  const options: PlanOptions = { buildArgs: {}, buildPlatform: AMD64, labels: {}, namedContexts: {}, network: "default", ...given };
  let bases: Record<string, ResolvedBase> = {};
  for (;;) {
    const required = requiredBases(dockerfile, options, bases);
    if (required.every(({ key }) => key in bases)) return planBuild(dockerfile, options, bases);
    bases = Object.fromEntries(required.map(({ key, reference }) => [key, resolved(reference, given)]));
  }
}

function refusal(text: string, given: Given = {}): VarveError {
  try {
    plan(text, given);
  } catch (error) {
    if (isVarveError(error)) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

const lines = (made: Plan): readonly string[] => made.history.map(({ entry }) => entry.created_by ?? "");
const titles = (made: Plan): readonly string[] => made.vertices.map(({ title }) => title);
const runs = (made: Plan): readonly RunVertex[] => made.vertices.filter((vertex): vertex is RunVertex => vertex.kind === "run");
const transfers = (made: Plan): readonly TransferVertex[] =>
  made.vertices.filter((vertex): vertex is TransferVertex => vertex.kind === "copy" || vertex.kind === "add");
const vertex = (made: Plan, id: string | undefined): Vertex | undefined => made.vertices.find((each) => each.id === id);

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

describe("variables", () => {
  const label = (text: string, given: Given = {}): string | undefined => plan(`${text}\nLABEL l="$X|$Y"`, given).config.config?.Labels?.["l"];
  it.each<readonly [string, Given, string]>([
    ["FROM scratch\nARG X=a\nENV X=b", {}, "b|"],
    ["FROM scratch\nENV X=b\nARG X=a", {}, "a|"],
    ["FROM scratch\nARG X=a\nENV X=b", { buildArgs: { X: "c" } }, "b|"],
    ["ARG X=g\nFROM scratch", {}, "|"],
    ["ARG X=g\nFROM scratch\nARG X", {}, "g|"],
    ["ARG X=g\nFROM scratch\nARG X=s", {}, "s|"],
    ["ARG X=g\nFROM scratch\nARG X=s", { buildArgs: { X: "b" } }, "b|"],
    ["ARG X\nFROM scratch\nARG X", {}, "|"],
    ["ARG X=1\nARG Y=$X-$X\nFROM scratch\nARG Y", {}, "|1-1"],
    ["FROM scratch\nARG X=1 Y=$X", {}, "1|1"],
    ["FROM scratch\nENV X=1 Y=$X", {}, "1|"],
    ["FROM scratch AS a\nARG X=1\nFROM a", {}, "1|"],
    ["FROM scratch AS a\nARG X=1\nFROM scratch AS b\nFROM scratch", {}, "|"],
    // a stage built on another starts from its ENV, which then beats its ARGs
    ["FROM scratch AS a\nENV X=e\nARG X=a\nFROM a", {}, "e|"],
    ["FROM scratch", { buildArgs: { X: "unasked" } }, "|"],
    ["FROM scratch\nARG X=\"a b\" Y='$q'", {}, "a b|$q"],
    ["FROM scratch\nARG X=${Y:-d}\nARG Y=${X%d}e", {}, "d|e"],
    [
      "FROM scratch\nARG TARGETPLATFORM TARGETVARIANT\nENV X=$TARGETPLATFORM Y=$TARGETVARIANT",
      { platform: { os: "linux", architecture: "arm", variant: "v7" } },
      "linux/arm/v7|v7",
    ],
    ["FROM scratch\nARG BUILDPLATFORM BUILDARCH\nENV X=$BUILDPLATFORM Y=$BUILDARCH", { platform: { os: "linux", architecture: "arm64" } }, "linux/amd64|amd64"],
    ["FROM scratch\nENV X=$TARGETOS", {}, "|"],
    ["FROM scratch\nARG TARGETOS\nENV X=$TARGETOS", { buildArgs: { TARGETOS: "mine" } }, "mine|"],
    ["FROM scratch\nARG TARGETSTAGE\nENV X=$TARGETSTAGE", {}, "default|"],
    ["FROM scratch AS last\nARG TARGETSTAGE\nENV X=$TARGETSTAGE", {}, "last|"],
    ["FROM scratch\nARG __proto__\nENV X=$__proto__", {}, "|"],
  ])("%j with %j", (text, given, expected) => {
    expect(label(text, given)).toBe(expected);
  });

  it("shows declared ARGs in RUN's history once, with the value the process sees", () => {
    const made = plan("FROM base\nARG A=1 B\nARG A=2\nENV A=3\nRUN make $A\n");
    expect(lines(made).at(-1)).toBe("RUN |2 A=3 B= /bin/sh -c make $A # buildkit");
    expect(runs(made)[0]?.env).toEqual([PATH, "A=3"]);
    expect(runs(made)[0]?.buildArgs).toEqual([]);
  });

  it("gives a process ENV and ARG in the order they were set", () => {
    const made = plan("FROM base\nENV Z=1 Y=2\nARG X=3\nENV Z=4\nRUN a", { buildArgs: { HTTP_PROXY: "http://p" } });
    expect(runs(made)[0]?.env).toEqual([PATH, "Y=2", "X=3", "Z=4"]);
    expect(runs(made)[0]?.buildArgs).toEqual(["X"]);
  });

  it("shows platform ARGs that are empty as set", () => {
    expect(lines(plan("FROM scratch\nARG TARGETVARIANT TARGETARCH"))).toEqual(["ARG TARGETVARIANT= TARGETARCH=amd64"]);
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

describe("stages", () => {
  it("plans what the target needs and nothing else", () => {
    const text = "FROM one AS a\nRUN a\nFROM two AS b\nRUN b\nFROM three AS c\nRUN c\nFROM b AS d\nCOPY --from=a /x /\n";
    const images = (made: Plan): readonly string[] => made.vertices.flatMap((each) => (each.kind === "image" ? each.reference : []));
    expect(images(plan(text))).toEqual(["docker.io/library/one:latest", "docker.io/library/two:latest"]);
    expect(images(plan(text, { target: "C" }))).toEqual(["docker.io/library/three:latest"]);
  });

  it("lists inputs before their users, and the layers from base to result", () => {
    const made = plan("FROM one AS a\nRUN a\nFROM two AS b\nCOPY --from=a / /\nWORKDIR /w\nFROM b\nRUN x\n");
    const seen = new Set<string>();
    for (const each of made.vertices) {
      for (const input of inputsOf(each)) expect(seen).toContain(input);
      seen.add(each.id);
    }
    expect(vertex(made, made.base)).toMatchObject({ kind: "image", reference: "docker.io/library/two:latest" });
    expect(made.layers.map((id) => vertex(made, id)?.kind)).toEqual(["copy", "workdir", "run"]);
    expect(made.result).toBe(made.layers.at(-1));
  });

  it("numbers steps as BuildKit does", () => {
    const text = 'FROM one AS a\nARG V=1\nWORKDIR /w\nRUN echo "$V" \'$V\' $N\nFROM scratch\nCOPY --from=a "/$V" /\n';
    expect(titles(plan(text))).toEqual([
      `[a 1/3] FROM docker.io/library/one:latest@sha256:${"ab".repeat(32)}`,
      "[a 2/3] WORKDIR /w",
      `[a 3/3] RUN echo "1" '$V' $N`,
      "FROM scratch",
      "[stage-1 1/1] COPY --from=a / /",
    ]);
    expect(titles(plan("FROM scratch\nrun <<E\na\nb\nE\n")).at(-1)).toBe("[1/1] RUN <<E (a...)");
    const ten = plan(`FROM scratch\n${"RUN a\n".repeat(10)}`, { withPlatform: true });
    expect(titles(ten)[1]).toBe("[linux/amd64  1/10] RUN a");
  });

  it("lets an earlier stage stand for an image of its name, and scratch", () => {
    expect(plan("FROM base AS alpine\nRUN a\nFROM alpine\n").layers).toHaveLength(1);
    expect(plan("FROM base AS scratch\nRUN a\nFROM scratch\n").layers).toHaveLength(1);
  });

  it("lets a named context stand for images and stages", () => {
    const namedContexts = {
      "docker.io/library/base:latest": "docker-image://other:2",
      a: "./dir",
      "b::linux/arm64": "docker-image://arm",
      b: "docker-image://any",
    };
    expect(requiredBases(parseDockerfile("FROM base"), { buildArgs: {}, buildPlatform: AMD64, labels: {}, namedContexts, network: "default" })).toMatchObject([
      { reference: "docker.io/library/other:2" },
    ]);
    const replaced = plan("FROM base AS a\nRUN a\nFROM scratch\nCOPY --from=a /x /", { namedContexts });
    expect(replaced.vertices.map(({ kind }) => kind)).toEqual(["scratch", "context", "copy"]);
    const from = (platform: Platform): string | undefined =>
      plan("FROM b", { namedContexts, platform }).vertices.find((each) => each.kind === "image")?.reference;
    expect(from({ os: "linux", architecture: "arm64" })).toBe("docker.io/library/arm:latest");
    expect(from(AMD64)).toBe("docker.io/library/any:latest");
  });

  it("starts a stage from the files of a context", () => {
    const made = plan("FROM files\nRUN x", { namedContexts: { files: "./files" } });
    expect(vertex(made, made.base)?.kind).toBe("scratch");
    expect(transfers(made)[0]).toMatchObject({ from: "context:files", destination: "/", keepOwner: false });
    expect(made.layers).toHaveLength(2);
  });

  it.each<readonly [string, Given, string, string]>([
    ["FROM base AS a\nCOPY --from=b / /\nFROM base AS b\nCOPY --from=a / /", {}, "PLAN_STAGE_ORDER", "circle: a → b → a"],
    ["FROM base AS a\nCOPY --from=a / /", {}, "PLAN_STAGE_ORDER", "circle: a → a"],
    ["FROM base AS a\nCOPY --from=1 / /\nFROM a AS b", {}, "PLAN_STAGE_ORDER", "stage b is used before"],
    ["FROM base AS a\nRUN --mount=from=b,target=/b x\nFROM a AS b", {}, "PLAN_STAGE_ORDER", "stage b is used before"],
    ["FROM base AS build", { target: "biuld" }, "PLAN_UNKNOWN_STAGE", '"biuld"'],
    ["FROM base AS build", { target: "0" }, "PLAN_UNKNOWN_STAGE", '"0"'],
    ["ARG B\nFROM $B", {}, "PLAN_INVALID_BASE", "$B is blank"],
    ["FROM --platform=$P base", {}, "PLAN_INVALID_BASE", "$P is blank"],
    ["FROM --platform=a/b/c/d base", {}, "OCI_INVALID_PLATFORM", "a/b/c/d"],
    ["FROM Base", {}, "OCI_INVALID_REFERENCE", "Base"],
    ["FROM UPPER AS unused\nFROM base", {}, "OCI_INVALID_REFERENCE", "UPPER"],
  ])("refuses %j with %j as %s", (text, given, code, message) => {
    const error = refusal(text, given);
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    expect(error.source).toBeDefined();
  });

  it("hints at the stage that was meant", () => {
    expect(renderDiagnostic(refusal("FROM base AS build", { target: "biuld" }))).toContain("hint: did you mean build?");
  });

  it("wants the config of every base", () => {
    const options: PlanOptions = { buildArgs: {}, buildPlatform: AMD64, labels: {}, namedContexts: {}, network: "default" };
    expect(() => planBuild(parseDockerfile("FROM base"), options, {})).toThrow(expect.objectContaining({ code: "PLAN_BASE_MISSING" }));
  });

  it("stands long chains", () => {
    const text = ["FROM scratch AS s0", ...Array.from({ length: 3000 }, (_, i) => `FROM scratch AS s${i + 1}\nCOPY --from=s${i} a /`)].join("\n");
    expect(plan(text).layers).toHaveLength(1);
    const forward = Array.from({ length: 12_000 }, (_, i) => `FROM scratch AS s${i}\nCOPY --from=s${i + 1} a /`).join("\n");
    expect(plan(`${forward}\nFROM scratch AS s12000`).layers).toHaveLength(0);
  });
});

describe("ONBUILD", () => {
  it("runs the triggers of the base first, then drops them", () => {
    const made = plan("FROM base\nRUN b\n", { configs: { base: { config: { OnBuild: ["ENV A=1", "RUN echo $A", "COPY a /"] } } } });
    expect(lines(made)).toEqual(["ENV A=1", "RUN /bin/sh -c echo $A # buildkit", "COPY a / # buildkit", "RUN /bin/sh -c b # buildkit"]);
    expect(made.config.config?.OnBuild).toBeUndefined();
    expect(
      titles(made)
        .filter((title) => !title.startsWith("[internal]"))
        .slice(-3),
    ).toEqual(["[2/5] ONBUILD RUN echo 1", "[3/5] ONBUILD COPY a /", "[4/5] RUN b"]);
  });

  it("runs those of a stage in the stages on it, once", () => {
    const made = plan("FROM base AS a\nONBUILD ENV A=$B\nFROM a AS b\nENV C=1\nFROM b\n");
    expect(lines(made)).toEqual(["ENV A=", "ENV C=1"]);
  });

  it("lets triggers ask for stages and images nobody else needs", () => {
    const text = "FROM tool AS tool\nFROM base\n";
    const made = plan(text, { configs: { base: { config: { OnBuild: ["COPY --from=tool /t /", "COPY --from=elsewhere /t /"] } } } });
    expect(made.vertices.flatMap((each) => (each.kind === "image" ? each.reference : []))).toEqual([
      "docker.io/library/tool:latest",
      "docker.io/library/base:latest",
      "docker.io/library/elsewhere:latest",
    ]);
  });

  it("shows FROM when a trigger is wrong", () => {
    const error = refusal("# x\nFROM base\n", { configs: { base: { config: { OnBuild: ["NONSENSE a"] } } } });
    expect(error.source?.range.start.line).toBe(2);
    expect(error.details).toEqual(["in the ONBUILD trigger of the base: NONSENSE a"]);
    const later = refusal("# x\nFROM base\n", { configs: { base: { config: { OnBuild: ["EXPOSE x"] } } } });
    expect([later.code, later.source?.range.start.line, later.details]).toEqual([
      "PLAN_INVALID_INSTRUCTION",
      2,
      ["in the ONBUILD trigger of the base: EXPOSE x"],
    ]);
  });
});

describe("platforms", () => {
  const arm: Platform = { os: "linux", architecture: "arm64" };
  const configs = { base: { architecture: "arm", variant: "v6" } };
  it("overwrites the base's with the one asked for, and warns", () => {
    const made = plan("FROM base", { platform: arm, configs });
    expect(made.platform).toEqual(arm);
    expect(made.config.variant).toBeUndefined();
    expect(made.warnings.map(({ rule }) => rule)).toEqual(["InvalidBaseImagePlatform"]);
  });

  it("keeps the base's when none was asked for", () => {
    expect(plan("FROM base", { configs }).platform).toEqual({ os: "linux", architecture: "arm", variant: "v6" });
    expect(plan("FROM --platform=linux/s390x scratch").platform).toEqual(AMD64);
  });

  it("asks for the base in FROM's platform, or the target's", () => {
    const wanted = (text: string): readonly Platform[] =>
      requiredBases(parseDockerfile(text), { buildArgs: {}, buildPlatform: AMD64, platform: arm, labels: {}, namedContexts: {}, network: "default" }).map(
        ({ platform }) => platform,
      );
    expect(wanted("FROM --platform=$BUILDPLATFORM base AS a\nFROM base\nCOPY --from=a a /")).toEqual([AMD64, arm]);
  });
});
