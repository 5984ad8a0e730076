import { describe, expect, it } from "vitest";
import { proxyFor } from "./proxy.ts";

const ENV = { HTTP_PROXY: "http://plain:1", https_proxy: "tls:2", HTTPS_PROXY: "http://ignored:3" };

describe("proxyFor", () => {
  it("goes by scheme, lower case first, a bare host being http", () => {
    expect(proxyFor(new URL("http://registry.test/v2/"), ENV)?.href).toBe("http://plain:1/");
    expect(proxyFor(new URL("https://registry.test/v2/"), ENV)?.href).toBe("http://tls:2/");
    expect(proxyFor(new URL("https://registry.test/v2/"), {})).toBeUndefined();
    expect(proxyFor(new URL("https://registry.test/v2/"), { HTTPS_PROXY: "" })).toBeUndefined();
  });

  it.each(["http://127.0.0.1:5000/", "http://127.9.9.9/", "http://localhost:5000/", "http://[::1]:5000/", "http://a.localhost/"])("never for %s", (url) => {
    expect(proxyFor(new URL(url), ENV)).toBeUndefined();
  });

  it.each<[string, string, boolean]>([
    ["*", "https://any.test/", true],
    ["registry.test", "https://registry.test/", true],
    ["registry.test", "https://sub.registry.test/", true],
    ["registry.test", "https://otherregistry.test/", false],
    [".registry.test", "https://sub.registry.test/", true],
    ["*.registry.test", "https://sub.registry.test/", true],
    ["*.registry.test", "https://registry.test/", false],
    ["registry.test:5000", "https://registry.test:5000/", true],
    ["registry.test:5000", "https://registry.test/", false],
    ["registry.test:443", "https://registry.test/", true],
    ["a.test, registry.test", "https://registry.test/", true],
    ["a.test registry.test", "https://registry.test/", true],
    ["REGISTRY.test", "https://registry.TEST/", true],
    ["10.0.0.0/8", "https://10.1.2.3/", true],
    ["10.0.0.0/8", "https://11.1.2.3/", false],
    ["10.0.0.0/8", "https://ten.test/", false],
    ["10.0.0.0/99", "https://10.1.2.3/", false],
    ["10.1.2.3", "https://10.1.2.3/", true],
    ["fd00::/8", "https://[fd00::1]:5000/", true],
    ["[fd00::1]:5000", "https://[fd00::1]:5000/", true],
    ["fd00::1", "https://[fd00::1]:5000/", true],
    ["", "https://registry.test/", false],
    [",", "https://registry.test/", false],
  ])("NO_PROXY=%s and %s: direct is %s", (list, url, direct) => {
    expect(proxyFor(new URL(url), { ...ENV, NO_PROXY: list }) === undefined).toBe(direct);
  });
});
