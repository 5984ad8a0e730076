import { describe, expect, it } from "vitest";
import { isPrivateAddress, isPublicHost, publicLookup, requirePublicAddress } from "./address-guard.ts";

describe("isPrivateAddress", () => {
  it.each([
    "127.0.0.1",
    "127.255.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::",
    "::1",
    "fd00::1",
    "fe80::1",
    "::ffff:10.0.0.1",
  ])("%s", (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });
  it.each(["8.8.8.8", "172.32.0.1", "172.15.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "registry.test"])("not %s", (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});

describe("the guard", () => {
  it("knows a host by its addresses", async () => {
    expect(await isPublicHost("93.184.216.34:443")).toBe(true);
    expect(await isPublicHost("[::1]:5000")).toBe(false);
    expect(await isPublicHost("localhost:5000")).toBe(false);
  });

  it("refuses private addresses and names of this machine", () => {
    for (const host of ["10.0.0.1:80", "[::1]", "localhost:5000", "a.localhost"])
      expect(() => requirePublicAddress(host)).toThrow(expect.objectContaining({ code: "REGISTRY_UNSAFE_REDIRECT" }));
    requirePublicAddress("registry.test");
  });

  it("refuses a name when it is looked up for a connection", async () => {
    const error = await new Promise<unknown>((resolve) => publicLookup("localhost", {}, resolve));
    expect(error).toMatchObject({ code: "REGISTRY_UNSAFE_REDIRECT" });
  });
});
