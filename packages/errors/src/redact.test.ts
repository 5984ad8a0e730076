import { expect, test } from "vitest";
import { createRedactor } from "./redact.ts";

test.each([
  ["as it is", 'hunter2 "quoted" p@ss'],
  ["base64", Buffer.from('hunter2 "quoted" p@ss').toString("base64")],
  ["base64 without padding", Buffer.from('hunter2 "quoted" p@ss').toString("base64").replace(/=+$/, "")],
  ["hexadecimal", Buffer.from('hunter2 "quoted" p@ss').toString("hex")],
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

test.each([1, 2, 3, 5, 8, 100])("a stream is the same however it comes: in pieces of %d", (size) => {
  const redactor = createRedactor();
  for (const secret of ["abcabd", "cabin"]) redactor.add(secret);
  const stream = redactor.stream();
  const text = Buffer.from("xabcabcabd cabcabin\u00ff abca");
  let out = "";
  for (let at = 0; at < text.length; at += size) out += Buffer.from(stream.push(text.subarray(at, at + size))).toString("latin1");
  out += Buffer.from(stream.end()).toString("latin1");
  expect(Buffer.from(out, "latin1").toString()).toBe("xabc*** cab***\u00ff abca");
});

test("a stream gives at once what no secret begins with", () => {
  const redactor = createRedactor();
  redactor.add("secret");
  const stream = redactor.stream();
  expect(Buffer.from(stream.push(Buffer.from("Password: "))).toString()).toBe("Password: ");
  expect(Buffer.from(stream.push(Buffer.from("is"))).toString()).toBe("i");
});
