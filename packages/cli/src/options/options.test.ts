import { describe, expect, test } from "vitest";
import { parseAssignments, parseEnvironment, parseFields } from "./key-values.ts";
import { parseOutput } from "./output.ts";
import { rungChoice } from "./rung.ts";
import { formatAge, formatBytes, parseBytes, parseHost, parseUlimit } from "./quantities.ts";

describe("--output", () => {
  test.each([
    ["out", { type: "local", dest: "out" }],
    ["-", { type: "tar", dest: "-" }],
    ["type=local,dest=a b", { type: "local", dest: "a b" }],
    ["type=oci,dest=x.tar", { type: "oci", dest: "x.tar", tar: true, names: ["t:1"] }],
    ["type=oci,dest=x,tar=false", { type: "oci", dest: "x", tar: false, names: ["t:1"] }],
    ['type=docker,dest=x.tar,"name=a:1,b:2"', { type: "docker", dest: "x.tar", tar: true, names: ["a:1", "b:2"] }],
    ["type=registry", { type: "image", names: ["t:1"], push: true }],
    ["type=registry,compression=gzip", { type: "image", form: { compression: "gzip" }, names: ["t:1"], push: true }],
    [
      "type=oci,dest=x,compression=zstd,compression-level=19,force-compression=true,oci-mediatypes=true",
      {
        type: "oci",
        form: { compression: "zstd", compressionLevel: 19, forceCompression: true, ociMediaTypes: true },
        dest: "x",
        tar: true,
        names: ["t:1"],
      },
    ],
    [
      "type=image,force-compression,portable,oci-mediatypes=0",
      { type: "image", form: { forceCompression: true, portable: true, ociMediaTypes: false }, names: ["t:1"], push: false },
    ],
    ["type=image,push=true,name=n", { type: "image", names: ["n"], push: true }],
  ])("%s", (text, output) => expect(parseOutput(text, ["t:1"])).toEqual(output));

  test.each([
    ["dest=x", "no type"],
    ["type=cloud", "unknown type"],
    ["type=oci,dest=x,compresion=zstd", "unknown field"],
    ["type=oci,dest=x,compression=lz4", 'unknown compression "lz4"'],
    ["type=oci,dest=x,compression", 'unknown compression ""'],
    ["type=oci,dest=x,compression-level=best", 'compression-level is a whole number of 0 or more, not "best"'],
    ["type=oci,dest=x,compression-level=-1", 'compression-level is a whole number of 0 or more, not "-1"'],
    ["type=oci,dest=x,compression-level=", "compression-level is a whole number"],
    ["type=oci,dest=x,force-compression=perhaps", "force-compression is true or false"],
    ["type=tar,dest=x,compression=gzip", "type=tar takes no compression"],
    ["type=local,dest=x,rewrite-timestamp", "type=local takes no rewrite-timestamp"],
    ["type=local,dest=x,oci-mediatypes=true", "type=local takes no oci-mediatypes"],
    ["type=oci,dest=x,unpack=true", "unpack is not supported yet"],
    ["type=local", "needs a dest"],
    ["type=oci,tar=maybe,dest=x", "true or false"],
    ['type=oci,"dest=x', "unfinished quote"],
  ])("%s is refused: %s", (text, message) =>
    expect(() => parseOutput(text, [])).toThrow(expect.objectContaining({ code: "CLI_USAGE", message: expect.stringContaining(message) as string })),
  );
});

test("assignments take a bare name's value from the environment, and leave it out when there is none", () => {
  expect(parseEnvironment(["A=", "B", "C"], { B: "b" })).toEqual({ A: "", B: "b" });
  for (const nameless of ["", "=x", "="]) expect(() => parseEnvironment(["A=1", nameless], {})).toThrow("names no variable");
  expect(parseAssignments(["A=1=2", "B", "C", "__proto__=x"], { B: "b" })).toEqual(
    Object.fromEntries([
      ["A", "1=2"],
      ["B", "b"],
      ["__proto__", "x"],
    ]),
  );
});

test("fields are one line of CSV", () => {
  expect([...parseFields("--x", 'id=a,"src=with,comma and ""quote""",required')]).toEqual([
    ["id", "a"],
    ["src", 'with,comma and "quote"'],
    ["required", undefined],
  ]);
});

describe("quantities", () => {
  test.each([
    ["64m", 64 * 1024 ** 2],
    ["1.5GB", 1.5 * 1024 ** 3],
    ["10", 10],
    ["2kib", 2048],
  ])("%s", (text, bytes) => expect(parseBytes("--x", text)).toBe(bytes));
  test.each(["", "m", "1x", "-1"])("%j is no size", (text) => expect(() => parseBytes("--x", text)).toThrow("is no size"));
  test.each([
    [0, "0B"],
    [999, "999B"],
    [1234, "1.23kB"],
    [148_100_000, "148MB"],
  ])("%d bytes", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
  test.each([
    [1, "1 second ago"],
    [61, "1 minute ago"],
    [7300, "2 hours ago"],
    [86_400 * 400, "1 year ago"],
  ])("%d seconds", (seconds, text) => expect(formatAge(0, seconds * 1000)).toBe(text));
  test("limits and hosts", () => {
    expect(parseUlimit("nofile=1024:2048")).toEqual({ name: "nofile", soft: 1024, hard: 2048 });
    expect(parseUlimit("core=0")).toEqual({ name: "core", soft: 0, hard: 0 });
    expect(() => parseUlimit("nofile")).toThrow("is not NAME=SOFT");
    expect(parseHost("db:10.0.0.2")).toEqual({ host: "db", address: "10.0.0.2" });
    expect(parseHost("db=[::1]")).toEqual({ host: "db", address: "::1" });
    expect(() => parseHost("db")).toThrow("is not HOST:IP");
  });
});

test("a rung is taken from the option, else from the environment", () => {
  const env = { VARVE_SANDBOX: "chroot" };
  expect(rungChoice({ sandbox: "oci" }, { env })).toEqual({ sandbox: "oci", requireIsolation: false });
  expect(rungChoice({ requireIsolation: true }, { env })).toEqual({ sandbox: "chroot", requireIsolation: true });
  expect(rungChoice({}, { env: { VARVE_SANDBOX: "" } })).toEqual({ requireIsolation: false });
});
