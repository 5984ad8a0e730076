import { expect, test } from "vitest";
import { createRedactor } from "./redact.ts";

test.each([
  ["as it is", 'hunter2 "quoted" p@ss'],
  ["base64", Buffer.from('hunter2 "quoted" p@ss').toString("base64")],
  ["base64 without padding", Buffer.from('hunter2 "quoted" p@ss').toString("base64").replace(/=+$/, "")],
  ["URL-encoded", encodeURIComponent('hunter2 "quoted" p@ss')],
  ["in a JSON string", JSON.stringify('hunter2 "quoted" p@ss').slice(1, -1)],
])("a secret is masked %s", (_, form) => {
  const redactor = createRedactor();
  redactor.add('hunter2 "quoted" p@ss');
  expect(redactor.redact(`before ${form} after`)).toBe("before *** after");
});

test("a secret that contains another leaves no rest behind, whatever the order they came in", () => {
  for (const order of [
    ["token", "token-longer"],
    ["token-longer", "token"],
  ]) {
    const redactor = createRedactor();
    for (const secret of order) redactor.add(secret);
    expect(redactor.redact("x token-longer y token z")).toBe("x *** y *** z");
  }
});

test("values too short to be secrets don't shred the text", () => {
  const redactor = createRedactor();
  redactor.add("abc");
  expect(redactor.redact("abc")).toBe("abc");
});

test("bytes that are no text stay as they are around a secret", () => {
  const redactor = createRedactor();
  const bytes = Buffer.concat([Buffer.from([0xff, 0x80]), Buffer.from("pässword"), Buffer.from([0xfe])]);
  expect(redactor.redactBytes(bytes)).toBe(bytes);
  redactor.add("pässword");
  expect([...redactor.redactBytes(bytes)]).toEqual([0xff, 0x80, 0x2a, 0x2a, 0x2a, 0xfe]);
});
