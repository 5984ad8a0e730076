import { parseDockerfile } from "@varve/dockerfile";
import { renderDiagnostic } from "@varve/errors";
import type { Platform } from "@varve/oci";
import { describe, expect, it } from "vitest";
import { inputsOf, type Plan, planBuild, type PlanOptions, requiredBases } from "./index.ts";
import { AMD64, type Given, lines, PATH, plan, refusal, runs, titles, transfers, vertex } from "./plan-case.fixture.ts";

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

  it("lets a named context stand for a stage of the same file", () => {
    const namedContexts = { x: "target:T1", b: "target:t1" };
    const bind = plan("FROM scratch AS t1\nWORKDIR /w\nFROM base\nRUN --mount=from=x,target=/m y", { namedContexts });
    expect(bind.vertices.flatMap((each) => (each.kind === "run" ? each.mounts.map(({ from }) => from) : []))).toEqual(["stage:0/1"]);
    const replaced = plan("FROM scratch AS t1\nWORKDIR /w\nFROM scratch AS b\nWORKDIR /no\nFROM b\nWORKDIR /v", { namedContexts });
    expect(replaced.history.map(({ entry }) => entry.created_by)).toEqual(["WORKDIR /w", "WORKDIR /v"]);
    const copied = plan("FROM scratch AS t1\nWORKDIR /w\nFROM scratch AS b\nWORKDIR /no\nFROM scratch\nCOPY --from=b /w /", { namedContexts });
    expect(transfers(copied)[0]?.from).toBe("stage:0/1");
    expect(() => plan("FROM x\nFROM scratch AS t1", { namedContexts })).toThrow("is used before it is defined");
    expect(() => plan("FROM scratch AS t2", { namedContexts: { x: "target:t1" } })).toThrow("the build context x is target:t1, and there is no such stage");
  });

  it("tells of a context's files as BuildKit's exporter does", () => {
    const told = (text: string, source = "./files"): readonly unknown[] =>
      plan(text, { namedContexts: { files: source } }).history.map(({ entry }) => [entry.created_by, entry.comment]);
    const [own, added] = ["buildkit.dockerfile.v0", "buildkit.exporter.image.v0"];
    expect(told("FROM files")).toEqual([["local source for files", added]]);
    expect(told("FROM files", "http://user:word@host/f")).toEqual([["http url http://host/f", added]]);
    expect(told("FROM files\nENV A=1\nCOPY a /")).toEqual([
      ["ENV A=1", own],
      ["COPY a / # buildkit", own],
      ["fileop target", added],
    ]);
    expect(told("FROM files AS f\nFROM f\nRUN x").at(-1)).toEqual(["mount / from exec /bin/sh -c x", added]);
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
    // a target is named on the command line, not in the Dockerfile
    expect(error.source === undefined).toBe(given.target !== undefined);
  });

  it("hints at the stage that was meant", () => {
    expect(renderDiagnostic(refusal("FROM base AS build", { target: "biuld" }))).toContain("hint: did you mean build?");
    expect(renderDiagnostic(refusal("FROM base AS a", { target: "0" }))).toContain("hint: a target is named, not counted: the stages are a");
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
