import { describe, expect, it } from "vitest";
import { isFileMode } from "./file-mode.ts";
import { parsePortSpec } from "./port-spec.ts";
import { remoteSource } from "./remote-source.ts";
import { isStopSignal } from "./stop-signal.ts";

describe("EXPOSE", () => {
  it.each<readonly [string, readonly string[]]>([
    ["80", ["80/tcp"]],
    ["080/UDP", ["80/udp"]],
    ["80/", ["80/tcp"]],
    ["1-3/sctp", ["1/sctp", "2/sctp", "3/sctp"]],
    ["8080:80", ["80/tcp"]],
    ["8000-8001:80", ["80/tcp"]],
    ["8000-8001:80-81", ["80/tcp", "81/tcp"]],
    ["127.0.0.1::80", ["80/tcp"]],
    ["[::1]:1:2/udp", ["2/udp"]],
    ["0", ["0/tcp"]],
    ["65535", ["65535/tcp"]],
  ])("%s is %j", (text, ports) => {
    expect(parsePortSpec(text)).toEqual({ ports });
  });

  it.each(["", "/tcp", "x", "65536", "3-1", "1-2-3", "-1", "80/icmp", "80/tcp/udp", "1:x", "x:1", "1-3:1-2", "256.0.0.1:1:2", "host:1:2", "1.5"])(
    "%j is refused",
    (text) => {
      expect(parsePortSpec(text)).toEqual({ reason: expect.stringMatching(/./) });
    },
  );
});

it.each<readonly [string, boolean]>([
  ["SIGTERM", true],
  ["term", true],
  ["sigKill", true],
  ["9", true],
  ["RTMIN", true],
  ["SIGRTMIN+15", true],
  ["RTMAX-14", true],
  ["RTMIN+16", false],
  ["RTMAX-15", false],
  ["RTMIN+0", false],
  ["0", false],
  ["", false],
  ["SIG", false],
  ["SIGNOPE", false],
  ["1 2", false],
])("STOPSIGNAL %j: %s", (text, taken) => {
  expect(isStopSignal(text)).toBe(taken);
});

it.each<readonly [string, boolean]>([
  ["0755", true],
  ["07777", true],
  ["00000644", true],
  ["10000", false],
  ["8z", false],
  ["888", false],
  ["", false],
  ["u=rwX,go=rX", true],
  ["+x", true],
  ["a-w", true],
  ["u+s,g=u", true],
  ["u", false],
  ["+q", false],
  ["u=rw,", false],
])("--chmod %j: %s", (text, taken) => {
  expect(isFileMode(text)).toBe(taken);
});

it.each<readonly [string, string | undefined]>([
  ["https://h/x.tar", "http"],
  ["http://h/", "http"],
  ["https://h/x.git", "git"],
  ["https://h/x.git#v1:dir", "git"],
  ["https://h/x.git?ref=v1", "git"],
  ["https://h/x.git/y", "http"],
  ["https://h/x?y=z.git", "http"],
  ["git://h/x", "git"],
  ["ssh://git@h/x", "git"],
  ["git@h:x/y.git", "git"],
  ["a@b", undefined],
  ["ftp://h/x", undefined],
  ["file:///x", undefined],
  ["HTTPS://h/x", undefined],
  ["github.com/x/y", undefined],
  ["./git@h:x", undefined],
  ["x:y", undefined],
])("the source %s is %s", (text, kind) => {
  expect(remoteSource(text)?.kind).toBe(kind);
});
