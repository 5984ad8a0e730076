import { describe, expect, test } from "vitest";
import { expandWord } from "./expansion.ts";

// after BuildKit's frontend/dockerfile/shell/lex_test.go (TestProcessWithMatches, TestProcessWithMatchesPlatform, TestGetEnv): what a word becomes, and which
// names it found and did not find. `A` and `B` are set, `E` is empty, `U` is not set
const VALUES: Readonly<Record<string, string>> = { A: "left", B: "ef", E: "", STAR: "l*", PATH: "/opt/x/y.tar", "": "nameless", "1": "one" };
const lookup = (name: string): string | undefined => (Object.hasOwn(VALUES, name) ? VALUES[name] : undefined);

type Row = readonly [word: string, value: string, used: string, unset: string];

const rows: readonly Row[] = [
  ["plain", "plain", "", ""],
  ["a $U b", "a  b", "", "U"],
  ["$A$A${A}", "leftleftleft", "A", ""],
  ["${A-d} ${E-d} ${U-d}", "left  d", "A E", "U"],
  ["${A:-d} ${E:-d} ${U:-d}", "left d d", "A E", "U"],
  ["${A+d} ${E+d} ${U+d}", "d d ", "A E", "U"],
  ["${A:+d} ${E:+d} ${U:+d}", "d  ", "A E", "U"],
  ["${A?m}${E?m}", "left", "A E", ""],
  ["${A:?$U}", "left", "A", "U"],
  ["${U:-}", "", "", "U"],
  ["${U:-$A}", "left", "A", "U"],
  ["${A:-$U}", "left", "A", "U"],
  ["${U:-${E:-${B}}}", "ef", "E B", "U"],
  ["${A#l}", "eft", "A", ""],
  ["${A#$STAR}", "eft", "STAR A", ""],
  ["${A##$STAR}", "", "STAR A", ""],
  ["${A%$U}", "left", "A", "U"],
  ["${A#$E}", "left", "E A", ""],
  ["${U#x}", "", "", "U"],
  ["${A/$B/-}", "l-t", "B A", ""],
  ["${A//$U/-}", "-l-e-f-t-", "A", "U"],
  ["${A///}", "left", "A", ""],
  ["${U///}", "", "", "U"],
  ["${A/x/$U}", "left", "A", "U"],
  ["${PATH/\\/opt/\\/srv}", "\\/srv/x/y.tar", "PATH", ""],
  ["${PATH//\\//}", "optxy.tar", "PATH", ""],
  ["${PATH##*/}-${PATH%/*}", "y.tar-/opt/x", "PATH", ""],
  ["'$U' \\$U \"$U\"", "$U $U ", "", "U"],
  ["$1${1}$12", "oneone", "1", "12"],
  ["$@$*$#$?$-$$$!$0", "", "", "@ * # ? - $ ! 0"],
  ["${@} ${-} ${$:-pid}", "  pid", "", "@ - $"],
  ["${+d}", "d", "", ""],
  ["tool-${A}${U:+-$U}.tgz", "tool-left.tgz", "A", "U"],
  ["tool-${A}${B:+-${B}}.tgz", "tool-left-ef.tgz", "A B", ""],
  ["$ $. $/ 5$ ${A}$", "$ $. $/ 5$ left$", "A", ""],
  ["\ufeff$A\ufeff", "left\ufeff", "A", ""],
];

test.each(rows)("%s is %j", (word, value, used, unset) => {
  const names = (list: string): readonly string[] => (list === "" ? [] : list.split(" "));
  const found = expandWord(word, { lookup });
  // a name is one whatever order it was found in; the nameless one of ${+d} is left out here
  expect({ value: found.value, used: found.used.filter((name) => name !== "").toSorted(), unset: found.unset.toSorted() }).toEqual({
    value,
    used: names(used).toSorted(),
    unset: names(unset).toSorted(),
  });
});

describe("what is refused", () => {
  test.each([
    ["${U?m}", "U: m"],
    ["${U:?m}", "U: m"],
    ["${E:?m $A}", "E: m left"],
    ["${U:?}", "U: is not allowed to be unset"],
    ["${E:?}", "E: is not allowed to be empty"],
    ["${A=d}", "unsupported modifier ="],
    ["${A=:d}", "unsupported modifier ="],
    ["${A:=d}", "unsupported modifier :="],
    ["${U=}", "unsupported modifier ="],
    ["${A:d}", "unsupported modifier :d"],
    ["${A:#l}", "unsupported modifier :#"],
    ["${A:%t}", "unsupported modifier :%"],
    ["${A:/e/x}", "unsupported modifier :/"],
    ["${A^}", "unsupported modifier ^"],
    ["${!A}", "unsupported modifier A"],
    ["${-A}", "unsupported modifier A"],
    ["${.A}", "unsupported modifier ."],
    ["${A.b}", "unsupported modifier ."],
    ["${}", "bad substitution"],
    ["${:}", "bad substitution"],
    ["${:-d}", "bad substitution"],
    ["${{A}}", "bad substitution"],
    ["${A//ef}", "/ is missing"],
    ["${A//}", "/ is missing"],
    ["${A/e", "/ is missing"],
    ["${A/e/", "} is missing"],
    ["${A", "} is missing"],
    ["${", "} is missing"],
    ["${A:", "} is missing"],
    ["${A:-", "} is missing"],
    ["${A#\\l}", "invalid pattern"],
    ["${A%\\x}", "invalid pattern"],
  ])("%s", (word, message) => {
    expect(() => expandWord(word, { lookup })).toThrow(expect.objectContaining({ code: "DOCKERFILE_EXPANSION", message: expect.stringContaining(message) }));
  });
});

test("a pattern from a variable that ends in a backslash: backwards it escapes what stood before it, forwards it is none", () => {
  const get = (name: string): string => ({ P: "*\\", X: "a*" })[name] ?? "";
  expect(expandWord("${X%$P}", { lookup: get }).value).toBe("a");
  expect(() => expandWord("${X#$P}", { lookup: get })).toThrow("ends in a backslash");
});
