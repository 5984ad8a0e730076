import { describe, expect, it } from "vitest";
import { familiarReference, formatReference, parseReference } from "./reference.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

describe("parseReference", () => {
  // text → full form, familiar form (what Docker's own parser gives)
  it.each([
    ["nginx", "docker.io/library/nginx:latest", "nginx:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"],
    ["someone/app", "docker.io/someone/app:latest", "someone/app:latest"],
    ["docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"],
    ["index.docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"],
    ["index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"],
    ["docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"],
    ["localhost/app", "localhost/app:latest", "localhost/app:latest"],
    ["localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest", "127.0.0.1:5000/a/b/c:latest"],
    ["[2001:db8::1]:5000/app", "[2001:db8::1]:5000/app:latest", "[2001:db8::1]:5000/app:latest"],
    ["[2001:db8::1]/app", "[2001:db8::1]/app:latest", "[2001:db8::1]/app:latest"],
    ["Host/app", "Host/app:latest", "Host/app:latest"],
    ["xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"],
    ["a__b/c-----d.e_f", "docker.io/a__b/c-----d.e_f:latest", "a__b/c-----d.e_f:latest"],
    ["test.com:tag", "docker.io/library/test.com:tag", "test.com:tag"],
    ["test:5000/x", "test:5000/x:latest", "test:5000/x:latest"],
    ["app:Tag_1.x-Y", "docker.io/library/app:Tag_1.x-Y", "app:Tag_1.x-Y"],
    [`app@${DIGEST}`, `docker.io/library/app@${DIGEST}`, `app@${DIGEST}`],
    [`app:1@${DIGEST}`, `docker.io/library/app:1@${DIGEST}`, `app:1@${DIGEST}`],
    [`r.example:80/a@${DIGEST}`, `r.example:80/a@${DIGEST}`, `r.example:80/a@${DIGEST}`],
    ["ab".repeat(31), `docker.io/library/${"ab".repeat(31)}:latest`, `${"ab".repeat(31)}:latest`],
  ])("%s", (text, full, familiar) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(familiarReference(reference)).toBe(familiar);
    expect(parseReference(full)).toEqual(reference);
    expect(parseReference(familiar)).toEqual(reference);
  });

  it.each([
    "",
    ":tag",
    "@",
    `@${DIGEST}`,
    "app@sha256:abc",
    `app@sha512:${"a".repeat(128)}`,
    `app@${DIGEST.toUpperCase()}`,
    "Uppercase",
    "Uppercase:tag",
    "test.com/Uppercase",
    "a/Upper",
    "-foo/bar",
    "foo/-bar",
    "foo-/bar",
    "a//b",
    "a/b/",
    "/a",
    "a..b",
    "a___b",
    "a._b",
    "_app",
    "app:",
    "app:-tag",
    `app:${"t".repeat(129)}`,
    "app:tag:tag",
    "app name",
    "https://host/app",
    "host:port/app",
    "[::1/app",
    "-host.com/app",
    "a".repeat(256),
    "ab".repeat(32),
    "app\n",
    "café",
  ])("refuses %j", (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "OCI_INVALID_REFERENCE" }));
  });

  it("suggests the lower-case name", () => {
    expect(() => parseReference("MyApp")).toThrow(expect.objectContaining({ hint: expect.stringContaining("myapp") }));
  });
});
