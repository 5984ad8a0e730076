import type { BuildEvent } from "@varve/build";
import { describe, expect, test } from "vitest";
import { createPlainProgress } from "./plain.ts";
import { createRawJsonProgress } from "./raw-json.ts";
import { createTtyProgress } from "./tty.ts";

const chunk = (text: string): Uint8Array => new TextEncoder().encode(text);

const EVENTS: readonly BuildEvent[] = [
  { type: "step-started", step: "a", title: "[1/2] RUN make", time: 0 },
  { type: "step-output", step: "a", stream: "stdout", chunk: chunk("one\ntw"), time: 512 },
  { type: "step-started", step: "b", title: "[2/2] COPY . /", time: 600 },
  { type: "step-finished", step: "b", outcome: "cached", time: 600 },
  { type: "step-output", step: "a", stream: "stdout", chunk: chunk("o\r\nlast without newline"), time: 700 },
  { type: "step-finished", step: "a", outcome: "failed", error: "exit code 2", time: 1234 },
];

function render(create: (write: (text: string) => void) => { onProgress: (event: BuildEvent) => void; close(): void }, events = EVENTS): string {
  let text = "";
  const progress = create((more) => (text += more));
  for (const event of events) progress.onProgress(event);
  progress.close();
  return text;
}

test("plain is BuildKit's: numbered steps, the title again when the log changes, every line whole", () => {
  expect(render(createPlainProgress)).toBe(
    [
      "#1 [1/2] RUN make",
      "#1 0.512 one",
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

test("plain never drops output, whatever the pieces", () => {
  const text = Array.from({ length: 5000 }, (_, i) => `line ${i} é`).join("\n");
  const bytes = chunk(text);
  const pieces: BuildEvent[] = [{ type: "step-started", step: "a", title: "t", time: 0 }];
  for (let at = 0; at < bytes.length; at += 7) pieces.push({ type: "step-output", step: "a", stream: "stdout", chunk: bytes.subarray(at, at + 7), time: 0 });
  pieces.push({ type: "step-finished", step: "a", outcome: "done", time: 0 });
  const lines = render(createPlainProgress, pieces)
    .split("\n")
    .filter((line) => line.startsWith("#1 0.000 "));
  expect(lines.map((line) => line.slice("#1 0.000 ".length)).join("\n")).toBe(text);
});

test("rawjson is one object a line, output as base64", () => {
  const lines = render(createRawJsonProgress)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; data?: string });
  expect(lines.map((line) => line.type)).toEqual(EVENTS.map((event) => event.type));
  expect(Buffer.from(lines[1]?.data ?? "", "base64").toString()).toBe("one\ntw");
});

describe.each([80, 200])("tty at %d columns", (columns) => {
  const tty = (write: (text: string) => void): ReturnType<typeof createTtyProgress> => createTtyProgress({ write, columns: () => columns, rows: () => 24 });
  // oxlint-disable-next-line no-control-regex -- the colours are what is taken out
  const plain = (text: string): string => text.replaceAll(/\u001b\[\d*[A-Za-z]/g, "");

  test("a failed step ends with its last lines, no line wider than the terminal", () => {
    const long: BuildEvent = { type: "step-output", step: "a", stream: "stderr", chunk: chunk(`${"x".repeat(500)}\n`), time: 800 };
    const lines = plain(render(tty, [...EVENTS.slice(0, 5), long, ...EVENTS.slice(5)])).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines.join("\n")).toContain(" => ERROR [1/2] RUN make");
    expect(lines.join("\n")).toContain(" => => # last without newline");
    expect(lines.join("\n")).toContain(" => CACHED [2/2] COPY . /");
  });
});
