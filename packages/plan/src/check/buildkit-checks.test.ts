import { parseIgnore } from "@varve/dockerfile";
import { describe, expect, test } from "vitest";
import type { PlanOptions } from "../index.ts";
import { check, shown } from "./check-case.fixture.ts";

// what BuildKit's frontend/dockerfile/dockerfile_check_test.go expects, case by case, on files of our own
type Case = readonly [text: string, expected: readonly string[], given?: Partial<PlanOptions>];

const run = (cases: readonly Case[]): void => {
  test.each(cases.map(([text, expected, given = {}]) => ({ text, expected, given })))("$text", ({ text, expected, given }) => {
    expect(shown(check(text, given))).toEqual(expected);
  });
};
const args = (buildArgs: Readonly<Record<string, string>>): Partial<PlanOptions> => ({ buildArgs });
const ignoring = (...lines: readonly string[]): Partial<PlanOptions> => {
  const matcher = parseIgnore(lines.join("\n"));
  return { ignores: (path) => matcher.leavesNothingOf(path) };
};

describe("the check directive", () => {
  const body = "FROM scratch as one\ncopy x /\n";
  const casing = "2 FromAsCasing: 'as' and 'FROM' keywords' casing do not match";
  run([
    [`#check=skip=all\n${body}`, []],
    [`#check=skip=all;error=true\n${body}`, []],
    [`#check=skip=ConsistentInstructionCasing,FromAsCasing\n${body}`, []],
    [`#check=skip=ConsistentInstructionCasing\n${body}`, [casing]],
    [`#check=skip=ConsistentInstructionCasing // it is so everywhere\n${body}`, [casing]],
    [`#check=skip=all\n${body}`, [casing], args({ BUILDKIT_DOCKERFILE_CHECK: "skip=ConsistentInstructionCasing;error=true" })],
    [`#check=error=true\n${body}`, [], args({ BUILDKIT_DOCKERFILE_CHECK: "skip=all" })],
  ]);
});

describe("comments above an instruction", () => {
  run([
    ["FROM scratch\n# check=skip=SecretsUsedInArgOrEnv // a test key\nENV password=x\n# check=skip=all\nARG password\n", []],
    [
      "FROM scratch\n# check=skip=all\nENV password=x\nENV token=y\n",
      ['4 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "token")'],
    ],
    ["FROM scratch\n# check=skip=JSONArgsRecommended\nCMD run\n# check=skip=JSONArgsRecommended\nENTRYPOINT run\n", []],
    ["FROM scratch\n# check=skip=MaintainerDeprecated\nMAINTAINER me\n", []],
    ["FROM scratch\n# check=skip=WorkdirRelativePath\nWORKDIR app/\n", []],
    ["FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV a b\n# check=skip=LegacyKeyValueFormat\nLABEL a b\n", []],
    ["\n# check=skip=RedundantTargetPlatform\nFROM --platform=$TARGETPLATFORM scratch\n", []],
    ["FROM scratch\n# check=skip\nMAINTAINER me\n", ["3 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"]],
  ]);
});

describe("CopyIgnoredFile", () => {
  const copy = (path: string): string => `2 CopyIgnoredFile: Attempting to Copy file "${path}" that is excluded by .dockerignore`;
  run([
    [
      "FROM scratch\nCOPY app .\nADD app /x\n",
      [copy("app"), '3 CopyIgnoredFile: Attempting to Add file "app" that is excluded by .dockerignore'],
      ignoring("app"),
    ],
    ["# check=skip=CopyIgnoredFile\n\nFROM scratch\nCOPY app .\n", [], ignoring("app")],
    ["FROM scratch AS one\nCOPY app /lib\nFROM one\nCOPY --from=one /lib /app\n", [], ignoring("lib")],
    ["FROM scratch\nCOPY ./app .\nCOPY . .\n", [], ignoring("**", "!app")],
    ["FROM scratch\nCOPY . .\n", [], ignoring(".*")],
    ["FROM scratch\nCOPY . .\n", [copy(".")], ignoring("*")],
    ["FROM scratch\nCOPY sub/a /\n", [copy("sub/a")], ignoring("sub", "!sub/b")],
    ["FROM scratch\nCOPY sub/a /\n", [copy("sub/a")], ignoring("sub", "!other")],
    ["FROM scratch\nCOPY sub/a /\n", [copy("sub/a")], ignoring("!sub/b", "sub")],
    ["FROM scratch\nCOPY sub /\nCOPY . /x\nCOPY sub/a /\nCOPY sub/*.txt /\n", [], ignoring("sub", "!sub/a")],
    ["FROM scratch\nCOPY su.b /\n", [], ignoring("su.b", "!su\\.b/keep")],
  ]);
});

describe("descriptions", () => {
  const on = "# check=experimental=InvalidDefinitionDescription\n";
  run([
    [`${on}# foo is it\nARG foo=1\n\n# one is a stage\nFROM scratch AS one\n# b is it\nARG a=1 b=2\n#\nARG c\n# not for COPY\nCOPY x /\n`, []],
    [
      `${on}# bar is it\nARG foo=1\n# OnE is it\nFROM scratch AS one\n# bad\nARG a\n# bad\nARG a=1 b=2\n`,
      [
        "ARG should follow the format: `# foo",
        "FROM should follow the format: `# one",
        "ARG should follow the format: `# a",
        "ARG should follow the format: `# <arg_key>",
      ].map((part, i) => `${3 + 2 * i} InvalidDefinitionDescription: Comment for ${part} <description>\``),
    ],
    [`${on}\n# check=skip=all\nARG foo=1\nFROM scratch\n`, []],
  ]);
});

describe("arguments of FROM", () => {
  run([
    ["ARG base=scratch\nFROM $base\n", []],
    ["ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM scratch\n", []],
    ["FROM --platform=$BUILDPLATFORM scratch\n", []],
    ["ARG D\nFROM scratch${D}\n", []],
    ["ARG D\nFROM scra${D:-tch}\n", []],
    ['ARG D=""\nFROM scratch${D-@bogus}\n', []],
    ["FROM --platform=$BULIDPLATFORM scratch\n", ["1 UndefinedArgInFrom: FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)"]],
    [
      "ARG MY_OS=linux\nARG MY_ARCH=amd64\nFROM --platform=linux/${MYARCH} x\n",
      ["3 UndefinedArgInFrom: FROM argument 'MYARCH' is not declared (did you mean MY_ARCH?)"],
    ],
    ["ARG tag=1\nFROM x:${tag}${version} AS b\n", ["2 UndefinedArgInFrom: FROM argument 'version' is not declared"]],
    ["ARG V\nFROM x:$V\n", ["2 InvalidDefaultArgInFrom: Default value for ARG x:$V results in empty or invalid base image name"], args({ V: "1" })],
    ["ARG I\nFROM $I\n", ["2 InvalidDefaultArgInFrom: Default value for ARG $I results in empty or invalid base image name"], args({ I: "x:1" })],
    [
      'ARG S="box:"\nFROM busy${S}\n',
      ["2 InvalidDefaultArgInFrom: Default value for ARG busy${S} results in empty or invalid base image name"],
      args({ S: "box:1" }),
    ],
    ['ARG V="1"\nFROM x:${V}\n', [], args({ V: "1" })],
    ["ARG V\nFROM x:stable${V}\n", [], args({ V: "-musl" })],
  ]);
});

describe("variables", () => {
  run([
    ["FROM scratch\nARG foo\nCOPY x${foo} .\n", []],
    ["FROM a AS base\nARG foo=x\nFROM base\nCOPY $foo .\n", []],
    ["FROM a\nRUN echo $PATH $anything\n", []],
    ["FROM a\nCOPY $foo .\nARG foo=x\nRUN echo $foo\n", ["2 UndefinedVar: Usage of undefined variable '$foo'"]],
    ["FROM a\nARG DIR_ASSETS=x DIR_BIN=y\nCOPY $DIR_ASSET .\n", ["3 UndefinedVar: Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)"]],
    ["FROM a\nENV PATH=$PAHT:/bin\n", ["2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"]],
  ]);
});

describe("instructions that count once, and the old form of pairs", () => {
  const many = (name: string, line: number): string =>
    `${line} MultipleInstructionsDisallowed: Multiple ${name} instructions should not be used in the same stage because only the last one will be used`;
  const legacy = (name: string, line: number): string =>
    `${line} LegacyKeyValueFormat: "${name} key=value" should be used instead of legacy "${name} key value" format`;
  run([
    [
      'FROM scratch\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]\nCMD ["a"]\nCMD ["b"]\nHEALTHCHECK CMD ["a"]\nHEALTHCHECK CMD ["b"]\n',
      [many("ENTRYPOINT", 2), many("CMD", 4), many("HEALTHCHECK", 6)],
    ],
    ['FROM scratch\nCMD ["a"]\nCOPY <<EOF /x\ntext\nEOF\nCMD ["b"]\n', [many("CMD", 2)]],
    ['FROM scratch AS a\nCMD ["a"]\nFROM a\nCMD ["b"]\n', []],
    ["FROM scratch\nENV a b\nLABEL a b\n", [legacy("ENV", 2), legacy("LABEL", 3)]],
    ["FROM scratch AS a\nFROM a AS b\nENV a b\nFROM a AS c\n", [], { allStages: false }],
    ["FROM scratch AS a\nFROM a AS b\nENV a b\nFROM a AS c\n", [legacy("ENV", 3)]],
  ]);
});

describe("names, casing, forms and ports", () => {
  const port = (text: string): string => `2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '${text}'`;
  const secret = (line: number, name: string): string => `${line} SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (${name})`;
  run([
    [
      "FROM scratch AS BadName\n\nFROM scratch as two\n",
      ["1 StageNameCasing: Stage name 'BadName' should be lowercase", "3 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"],
    ],
    ["from scratch AS one\nfrom scratch as two\n", ["1 FromAsCasing: 'AS' and 'from' keywords' casing do not match"]],
    ["frOM scratch as one\nfrom scratch as two\n", ["1 ConsistentInstructionCasing: Command 'frOM' should match the case of the command majority (lowercase)"]],
    ["from scratch\nCOPY a /\ncopy a /\n", ["2 ConsistentInstructionCasing: Command 'COPY' should match the case of the command majority (lowercase)"]],
    ["FROM a\nRUN <<'EOT'\nenv\nEOT\n", []],
    ["FROM scratch AS b\nFROM scratch AS b\n", ['2 DuplicateStageName: Duplicate stage name "b", stage names should be unique']],
    [
      "FROM scratch AS scratch\nFROM scratch AS context\n",
      ["scratch", "context"].map((name, i) => `${i + 1} ReservedStageName: Stage name should not use the same name as reserved stage "${name}"`),
    ],
    ['FROM scratch AS a\nSHELL ["/sh"]\nFROM a\nCMD x\n', []],
    [
      "FROM --platform=${TARGETPLATFORM} scratch\n",
      ["1 RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior"],
    ],
    ["FROM --platform=linux/amd64 scratch\n", ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"']],
    ["FROM --platform=linux/amd64 scratch AS my_amd64_stage\nFROM --platform=linux/amd64 scratch AS linux\n", []],
    [
      "FROM scratch\nEXPOSE 80/TcP 8080/TCP 8080/udp\n",
      ["80/TcP", "8080/TCP"].map((text) => `2 ExposeProtoCasing: Defined protocol '${text}' in EXPOSE instruction should be lowercase`),
    ],
    ["FROM scratch\nEXPOSE 127.0.0.1:80:80 [::1]:8080:8080 5000:5000 8000\n", [port("127.0.0.1:80:80"), port("5000:5000"), port("[::1]:8080:8080")]],
    [
      "FROM scratch\nARG SECRET_PHRASE\nENV SUPER_Secret=a password=b\nARG my_token=a auth=b\nENV apikey=a flower=b\nENV git_key=\nENV PUBLIC_KEY= password_file=a\nARG AUTH_VERSION\n",
      [
        secret(2, 'ARG "SECRET_PHRASE"'),
        secret(3, 'ENV "SUPER_Secret"'),
        secret(3, 'ENV "password"'),
        secret(4, 'ARG "my_token"'),
        secret(4, 'ARG "auth"'),
        secret(5, 'ENV "apikey"'),
        secret(6, 'ENV "git_key"'),
      ],
    ],
  ]);
});
