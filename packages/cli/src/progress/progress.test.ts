import { createRedactor } from "@varve/errors";
import type { BuildEvent } from "@varve/build";
import { describe, expect, test } from "vitest";
import { fit } from "./display-width.ts";
import { createPlainProgress, type ProgressRenderer } from "./plain.ts";
import { createRawJsonProgress } from "./raw-json.ts";
import { createTtyProgress } from "./tty.ts";

const chunk = (text: string): Uint8Array => new TextEncoder().encode(text);

const EVENTS: readonly BuildEvent[] = [
  { type: "step-started", step: "a", title: "[1/2] RUN make", time: 0 },
  { type: "step-output", step: "a", stream: "stdout", chunk: chunk("one\ntw"), time: 512 },
  { type: "step-started", step: "b", title: "[2/2] COPY . /", time: 600 },
  { type: "step-finished", step: "b", outcome: "cached", time: 600 },
  { type: "step-output", step: "a", stream: "stdout", chunk: chunk("o\nlast without newline"), time: 700 },
  { type: "step-finished", step: "a", outcome: "failed", error: "exit code 2", time: 1234 },
];

const EXPORT: readonly BuildEvent[] = [
  { type: "step-started", step: "output 1", title: "exporting to image", time: 2000 },
  { type: "step-part", step: "output 1", name: "exporting layers", done: false, time: 2000 },
  { type: "step-progress", step: "output 1", name: "sha256:abc", current: 500, total: 1500, time: 2100 },
  { type: "step-progress", step: "output 1", name: "sha256:abc", current: 1500, total: 1500, time: 2200 },
  { type: "step-part", step: "output 1", name: "exporting layers", done: true, time: 2300 },
  { type: "step-part", step: "output 1", name: "naming to docker.io/library/app:1", done: false, time: 2300 },
  { type: "step-part", step: "output 1", name: "naming to docker.io/library/app:1", done: true, time: 2310 },
  { type: "step-note", step: "output 1", message: "something is different", time: 2310 },
  { type: "step-finished", step: "output 1", outcome: "done", time: 2400 },
];

const position = (line: number): { line: number; column: number; offset: number } => ({ line, column: 1, offset: 0 });
const WARNINGS: readonly BuildEvent[] = [
  {
    type: "warning",
    rule: "StageNameCasing",
    message: "Stage name 'A' should be lowercase",
    range: { start: position(1), end: { ...position(1), column: 20 } },
    time: 1,
  },
  { type: "warning", rule: "Unknown", message: "no line", time: 1 },
];

type Create = (write: (text: string | Uint8Array) => void) => ProgressRenderer;

function render(create: Create, events = EVENTS): string {
  const pieces: Uint8Array[] = [];
  const progress = create((more) => pieces.push(Buffer.from(more)));
  for (const event of events) progress.onProgress(event);
  progress.close();
  return Buffer.concat(pieces).toString("latin1");
}

const plainly: Create = (write) => createPlainProgress(write, false);

describe("plain", () => {
  test("is BuildKit's: numbered steps, the title again when the log changes, every line whole", () => {
    expect(render(plainly)).toBe(
      [
        "#1 [1/2] RUN make",
        "#1 0.512 one",
        "#1 ...",
        "",
        "#2 [2/2] COPY . /",
        "#2 CACHED",
        "",
        "#1 [1/2] RUN make",
        "#1 0.700 two",
        "#1 1.234 last without newline",
        "#1 ERROR: exit code 2",
        "",
      ].join("\n"),
    );
  });

  test("tells the parts of an export, and the warnings at the end", () => {
    expect(render(plainly, [...WARNINGS, ...EXPORT])).toBe(
      [
        "#1 exporting to image",
        "#1 sha256:abc 1.5kB / 1.5kB done",
        "#1 exporting layers 0.3s done",
        "#1 naming to docker.io/library/app:1 done",
        "#1 something is different",
        "#1 DONE 0.4s",
        "",
        " 2 warnings found (use varve build --debug to expand):",
        " - StageNameCasing: Stage name 'A' should be lowercase (line 1)",
        " - Unknown: no line",
        "",
      ].join("\n"),
    );
    const [first] = WARNINGS;
    expect(render((write) => createPlainProgress(write, true), first === undefined ? [] : [first])).toMatch(
      /^\n 1 warning found:\n - Stage.*\nStage names should be lowercase\nMore info: https:\S+\n/,
    );
  });

  test("never drops output, whatever the pieces; bytes that are no text stay as they are", () => {
    const text = Array.from({ length: 5000 }, (_, i) => `line ${i} \xff\xfe\x80 é`).join("\n");
    const bytes = Buffer.from(text, "latin1");
    const pieces: BuildEvent[] = [{ type: "step-started", step: "a", title: "t", time: 0 }];
    for (let at = 0; at < bytes.length; at += 7) pieces.push({ type: "step-output", step: "a", stream: "stdout", chunk: bytes.subarray(at, at + 7), time: 0 });
    pieces.push({ type: "step-finished", step: "a", outcome: "done", time: 0 });
    const lines = render(plainly, pieces)
      .split("\n")
      .filter((line) => line.startsWith("#1 0.000 "));
    expect(lines.map((line) => line.slice("#1 0.000 ".length)).join("\n")).toBe(text);
  });
});

describe("what a terminal would obey is written out in all but the output of steps", () => {
  const named: readonly BuildEvent[] = [
    { type: "warning", rule: "Rule", message: "of \u001b[31mred", time: 0 },
    { type: "step-started", step: "a", title: "COPY \u001b]0;title\u0007 /", time: 0 },
    { type: "step-note", step: "a", message: "note \u009b1m", time: 0 },
    { type: "step-part", step: "a", name: "part \u0007", done: true, time: 0 },
    { type: "step-progress", step: "a", name: "blob \r", current: 1, total: 1, time: 0 },
  ];
  const texts = [String.raw`of \x1b[31mred`, String.raw`COPY \x1b]0;title\x07 /`, String.raw`note \x9b1m`, String.raw`part \x07`, String.raw`blob \x0d`];
  test("plain", () => {
    const output: BuildEvent = { type: "step-output", step: "a", stream: "stdout", chunk: chunk("\u001b[1mbold\n"), time: 0 };
    const failed: BuildEvent = { type: "step-finished", step: "a", outcome: "failed", error: "no \u001b[2J", time: 0 };
    const text = render(plainly, [...named, output, failed]);
    for (const each of [...texts, String.raw`no \x1b[2J`]) expect(text).toContain(each);
    expect(text).toContain("#1 0.000 \u001b[1mbold\n");
  });
  test("tty", () => {
    const text = render((write) => createTtyProgress({ write, columns: () => 80, rows: () => 24, debug: false }), named);
    for (const each of texts) expect(text).toContain(each);
  });
});

test("rawjson is a SolveStatus of BuildKit a line", () => {
  const redactor = createRedactor();
  redactor.add("make it");
  const raw: Create = (write) => createRawJsonProgress(write, (bytes) => redactor.redactBytes(bytes));
  const secret: BuildEvent = { type: "step-output", step: "a", stream: "stderr", chunk: chunk("make it\n"), time: 600 };
  const lines = render(raw, [...WARNINGS, ...EVENTS.slice(0, 2), secret, ...EVENTS.slice(2), ...EXPORT])
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, Record<string, unknown>[]>);
  const [casing, , started, one, two] = lines;
  expect(casing?.["warnings"]?.[0]).toMatchObject({
    level: 1,
    short: Buffer.from("StageNameCasing: Stage name 'A' should be lowercase (line 1)").toString("base64"),
    url: expect.stringContaining("stage-name-casing") as string,
    range: [{ start: { line: 1, character: 0 }, end: { line: 1, character: 19 } }],
  });
  const vertex = started?.["vertexes"]?.[0];
  expect(vertex).toEqual({ digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string, name: "[1/2] RUN make", started: "1970-01-01T00:00:00.000Z" });
  expect(one?.["logs"]).toEqual([
    { vertex: vertex?.["digest"], stream: 1, data: Buffer.from("one\ntw").toString("base64"), timestamp: "1970-01-01T00:00:00.512Z" },
  ]);
  expect(two?.["logs"]?.[0]).toMatchObject({ stream: 2, data: Buffer.from("***\n").toString("base64") });
  const vertexes = lines.flatMap((line) => line["vertexes"] ?? []);
  expect(vertexes.find((state) => state["cached"] === true)).toMatchObject({ name: "[2/2] COPY . /", completed: "1970-01-01T00:00:00.600Z" });
  expect(vertexes.find((state) => state["error"] !== undefined)).toMatchObject({ ...vertex, error: "exit code 2" });
  const statuses = lines.flatMap((line) => line["statuses"] ?? []);
  expect(statuses.find((status) => status["completed"] !== undefined)).toEqual({
    id: "sha256:abc",
    vertex: vertexes.at(-1)?.["digest"],
    total: 1500,
    current: 1500,
    timestamp: "1970-01-01T00:00:02.200Z",
    started: "1970-01-01T00:00:02.100Z",
    completed: "1970-01-01T00:00:02.200Z",
  });
});

describe.each([80, 200])("tty at %d columns", (columns) => {
  const tty =
    (rows: number): Create =>
    (write) =>
      createTtyProgress({ write, columns: () => columns, rows: () => rows, debug: false });
  // oxlint-disable-next-line no-control-regex -- the colours are what is taken out
  const plain = (text: string): string => text.replaceAll(/\u001b\[\d*[A-Za-z]/g, "");

  test("says how each step ended and what an export gave, no line wider than the terminal", () => {
    const long: BuildEvent = { type: "step-output", step: "a", stream: "stderr", chunk: chunk(`${"x".repeat(500)}\n`), time: 800 };
    const lines = plain(render(tty(24), [...EVENTS.slice(0, 5), long, ...EVENTS.slice(5), ...EXPORT, ...WARNINGS])).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    const text = lines.map((line) => line.replace(/ +(\d\.\ds)$/, " $1")).join("\n");
    expect(text.replace(/^\[\+\] Building \d+\.\ds/, "[+] Building")).toBe(
      [
        "[+] Building (3/3) FINISHED",
        " => ERROR [1/2] RUN make 1.2s",
        " => CACHED [2/2] COPY . / 0.0s",
        " => exporting to image 0.4s",
        " => => exporting layers 0.3s",
        " => => sha256:abc 1.5kB / 1.5kB 0.1s",
        " => => naming to docker.io/library/app:1 0.0s",
        " => => something is different 0.0s",
        "",
        " 2 warnings found (use varve build --debug to expand):",
        " - StageNameCasing: Stage name 'A' should be lowercase (line 1)",
        " - Unknown: no line",
        "",
      ].join("\n"),
    );
  });

  test("nothing is left out at the end, whatever the window's height", () => {
    expect(plain(render(tty(3), [...EVENTS, ...EXPORT])).split("\n")).toHaveLength(9);
  });
});

test.each([
  ["abc", 5, "abc  "],
  ["abcdef", 5, "abcd…"],
  ["漢字漢字", 8, "漢字漢字"],
  ["漢字漢字", 7, "漢字漢…"],
  ["漢字漢字", 6, "漢字… "],
  ["e\u0301e\u0301", 3, "e\u0301e\u0301 "],
  ["abc", 0, ""],
  ["👨‍👩‍👧👨‍👩‍👧", 3, "👨‍👩‍👧…"],
  ["a\u001bb", 6, String.raw`a\x1bb`],
])("%s is fitted into %d columns", (text, width, fitted) => {
  expect(fit(text, width)).toBe(fitted);
});
