import { parseDockerfile } from "@varve/dockerfile";
import { describe, expect, test } from "vitest";
import { type OutlineArg, type OutlineMount, outlineTarget, type PlanOptions, requiredBases } from "./index.ts";
import { AMD64, PATH } from "./plan-case.fixture.ts";

function outline(text: string, given: Partial<PlanOptions> = {}): unknown {
  const dockerfile = parseDockerfile(text);
  const options: PlanOptions = { buildArgs: {}, buildPlatform: AMD64, labels: {}, namedContexts: {}, network: "default", ...given };
  const config = { os: "linux", architecture: "amd64", rootfs: { type: "layers" as const, diff_ids: [] }, config: { Env: [PATH] } };
  const bases = Object.fromEntries(requiredBases(dockerfile, options).map(({ key }) => [key, { digest: `sha256:${"ab".repeat(32)}`, config }]));
  const { args, secrets, ssh, ...rest } = outlineTarget(dockerfile, options, bases);
  const lined = (items: readonly OutlineArg[] | readonly OutlineMount[]): unknown => items.map(({ range, ...item }) => ({ ...item, line: range.start.line }));
  return { ...rest, args: lined(args), secrets: lined(secrets), ssh: lined(ssh) };
}

const none = { args: [], secrets: [], ssh: [] };

// as BuildKit's frontend/dockerfile/dockerfile_outline_test.go has it
describe("arguments", () => {
  const text = [
    "ARG owner=me",
    "ARG other=you",
    "ARG nobody=x${other}",
    "# tag says which",
    'ARG tag="v${owner}"',
    "FROM tool:${tag} AS first",
    "# this is about something else",
    "ARG FOO=1",
    "# BAR is a number",
    "ARG BAR=2",
    "FROM tool${nobody} AS second",
    "ARG BAZ",
    "FROM scratch AS third",
    "ARG ABC=a TARGETARCH",
    "# last is what is built",
    "FROM third AS last",
    "ARG owner",
    "COPY --from=first /x /",
    "FROM second",
  ].join("\n");
  test("are the target's and those of the stages it needs, with what their values are made of", () => {
    expect(outline(text, { target: "last", buildArgs: { BAR: "3" } })).toEqual({
      ...none,
      name: "last",
      description: "is what is built",
      args: [
        { name: "owner", value: "me", line: 1 },
        { name: "tag", value: "vme", description: "says which", line: 5 },
        { name: "FOO", value: "1", line: 8 },
        { name: "BAR", value: "3", description: "is a number", line: 10 },
        { name: "ABC", value: "a", line: 14 },
      ],
    });
  });
  test("a stage without a name has none, one without a value neither", () => {
    expect(outline(text)).toEqual({
      ...none,
      args: [
        { name: "other", value: "you", line: 2 },
        { name: "nobody", value: "xyou", line: 3 },
        { name: "BAZ", line: 12 },
      ],
    });
  });
  test("a default that builds on the same name keeps what that was made of", () => {
    expect(outline("ARG a=1\nARG b=$a\nARG b=${b}2\nFROM x:$b\n")).toMatchObject({
      args: [
        { name: "a", line: 1 },
        { name: "b", value: "12", line: 3 },
      ],
    });
  });
});

test("secrets and agents of every RUN the target needs, each once, defaults filled in", () => {
  const text = [
    "FROM base AS first",
    "RUN --mount=type=secret,target=/etc/passwd,required=true --mount=type=ssh true",
    "FROM base AS second",
    "RUN --mount=type=secret,id=unused --mount=type=ssh,id=two true",
    "FROM scratch AS third",
    "ARG N",
    "RUN --mount=type=secret,id=s${N} --mount=type=secret,id=passwd true",
    "FROM third AS last",
    "COPY --from=first /x /",
    "RUN --mount=type=ssh,id=three,required true",
    "FROM second",
  ].join("\n");
  expect(outline(text, { target: "last", buildArgs: { N: "7" } })).toEqual({
    name: "last",
    args: [{ name: "N", value: "7", line: 6 }],
    secrets: [
      { name: "passwd", required: true, line: 2 },
      { name: "s7", required: false, line: 7 },
    ],
    ssh: [
      { name: "default", required: false, line: 2 },
      { name: "three", required: true, line: 10 },
    ],
  });
});
