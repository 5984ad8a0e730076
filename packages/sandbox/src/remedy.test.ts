import { describe, expect, it } from "vitest";
import { namespacePolicy, namespaceRemedy } from "./remedy.ts";

describe("what would let a process make namespaces", () => {
  it.each([
    ["root in a container", { root: true, filtered: true }, "--security-opt"],
    ["a pod's user", { root: false, filtered: true, maxUserNamespaces: 0 }, "seccompProfile"],
    ["root without capabilities", { root: true, filtered: false, maxUserNamespaces: 9 }, "CAP_SYS_ADMIN"],
    ["a user on Debian", { root: false, filtered: false, unprivilegedClone: 0, maxUserNamespaces: 9 }, "unprivileged_userns_clone=1"],
    ["a user where there are none", { root: false, filtered: false, maxUserNamespaces: 0 }, "max_user_namespaces"],
    ["a user on Ubuntu", { root: false, filtered: false, maxUserNamespaces: 9, apparmorRestricts: 1 }, "bubblewrap"],
    ["anybody else", { root: false, filtered: false, maxUserNamespaces: 9 }, "run as root"],
  ])("for %s", (_who, policy, remedy) => {
    expect(namespaceRemedy(policy)).toContain(remedy);
  });

  it("is found for this process", () => {
    expect(namespacePolicy().root).toBe(process.geteuid?.() === 0);
  });
});
