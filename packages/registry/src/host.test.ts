import { describe, expect, it } from "vitest";
import { endpointCandidates } from "./endpoint.ts";
import { apiHost, isDockerHub, isLoopback } from "./host.ts";

describe("hosts", () => {
  it.each(["docker.io", "index.docker.io", "registry-1.docker.io"])("%s is Docker Hub", (name) => {
    expect([isDockerHub(name), apiHost(name)]).toEqual([true, "registry-1.docker.io"]);
  });

  it.each(["localhost", "localhost:5000", "127.0.0.1", "127.255.1.2:80", "[::1]:5000", "registry.localhost:5000"])("%s is this machine", (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(["registry.test", "docker.io", "128.0.0.1", "127.0.0.1.test", "localhost.test:5000", "[::2]:5000", "10.0.0.1:5000"])("%s is not", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

describe("endpointCandidates", () => {
  const origins = (registry: string, insecure: readonly string[] = []): readonly string[] =>
    endpointCandidates(registry, insecure).map(({ origin, verify }) => (verify ? origin : `${origin} unverified`));

  it("is https alone, except on loopback and where it was asked for", () => {
    expect(origins("registry.test:5000")).toEqual(["https://registry.test:5000"]);
    expect(origins("docker.io")).toEqual(["https://registry-1.docker.io"]);
    expect(origins("localhost:5000")).toEqual(["http://localhost:5000", "https://localhost:5000"]);
    expect(origins("registry.test:5000", ["registry.test:5000"])).toEqual(["https://registry.test:5000 unverified", "http://registry.test:5000"]);
    expect(origins("registry.test:5000", ["registry.test"])).toEqual(["https://registry.test:5000"]);
  });
});
