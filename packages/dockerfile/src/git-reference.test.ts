// The rules are BuildKit's: frontend/dockerfile/dfgitutil/git_ref.go and util/gitutil/git_url.go.
import { isVarveError } from "@varve/errors";
import { expect, it } from "vitest";
import { type GitReference, parseGitReference } from "./git-reference.ts";

const R = "https://h/r.git";

it.each<readonly [string, GitReference]>([
  [R, { remote: R }],
  [`${R}#v1`, { remote: R, ref: "v1" }],
  [`${R}#v1:a/b`, { remote: R, ref: "v1", subdirectory: "a/b" }],
  [`${R}#:a`, { remote: R, subdirectory: "a" }],
  [`${R}?ref=v1&subdir=a`, { remote: R, ref: "v1", subdirectory: "a" }],
  [`${R}?ref=v1#v1:a`, { remote: R, ref: "v1", subdirectory: "a" }],
  [`${R}?tag=v1`, { remote: R, ref: "refs/tags/v1" }],
  [`${R}?tag=refs/tags/v1`, { remote: R, ref: "refs/tags/v1" }],
  [`${R}?branch=main`, { remote: R, ref: "refs/heads/main" }],
  [`${R}?branch=main&commit=abc1234`, { remote: R, ref: "refs/heads/main", checksum: "abc1234" }],
  [`${R}?checksum=abc1234`, { remote: R, ref: "abc1234", checksum: "abc1234" }],
  [`${R}?keep-git-dir`, { remote: R, keepGitDir: true }],
  [`${R}?keep-git-dir=0&submodules=False`, { remote: R, keepGitDir: false, submodules: false }],
  ["git@h:o/r.git#v1:a", { remote: "git@h:o/r.git", ref: "v1", subdirectory: "a" }],
  ["ssh://git@h:22/r#v1", { remote: "ssh://git@h:22/r", ref: "v1" }],
])("%s", (text, reference) => {
  expect(parseGitReference(text)).toEqual(reference);
});

it("a URL that is no repository's by its looks may be known to be one", () => {
  expect(parseGitReference("https://h/r")).toBeUndefined();
  expect(parseGitReference("https://h/r#v1", { known: true })).toEqual({ remote: "https://h/r", ref: "v1" });
  expect(parseGitReference("r", { known: true })).toBeUndefined();
});

it.each([
  ["?depth=1", 'has the unknown query "depth"'],
  ["?ref=a&ref=b", "has the query ref more than once"],
  ["?ref=", "has the query ref without a value"],
  ["?ref=a#b", "says two things of its ref: b and a"],
  ["?tag=a&branch=b", "says two things of its ref: refs/tags/a and refs/heads/b"],
  ["?branch=b#b", "says two things of its ref: b and refs/heads/b"],
  ["?subdir=a#b:c", "says two things of its subdir: c and a"],
  ["?keep-git-dir=maybe", "has keep-git-dir=maybe"],
  ["?submodules=no", "has submodules=no"],
])("%s is refused", (query, clause) => {
  let thrown: unknown;
  try {
    parseGitReference(R + query);
  } catch (error) {
    thrown = error;
  }
  expect(isVarveError(thrown, "DOCKERFILE_GIT_REFERENCE") && thrown.message).toBe(`the git source ${R}${query} ${clause}`);
});
