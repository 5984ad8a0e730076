import type { GoldenCase } from "./golden-case.ts";

/** A Dockerfile and its context made of a seed, in the form of fixtures/builds. */
export type RandomCase = Pick<GoldenCase, "context" | "options"> & { readonly seed: number; readonly dockerfile: string };

/** What the Dockerfiles are for: only what every builder that is compared knows. */
export interface RandomCaseOptions {
  /** Some steps are RUN. */
  readonly run: boolean;
}

interface Random {
  /** Below `limit`. */
  below(limit: number): number;
  chance(percent: number): boolean;
  pick<T>(from: readonly T[]): T;
}

const NAMES = ["a", "b", "a.txt", "b.txt", ".h", "x-y", "A"];
const FILE_MODES = ["0644", "0644", "0755", "0600", "4755", "0444", "2711", "1644"];
const DIRECTORY_MODES = ["0755", "0755", "0700", "2755", "1777"];
/** What of the base a destination may be, beside new names. */
const BASE_PATHS = ["/kept", "/kept/sub", "/real/dir", "/abs", "/rel", "/abs/dir", "/dangling", "/tmp", "/etc", "/real"];
/** Destinations that many sources can not go to. */
const HAZARDS = ["/kept/old", "/loop", "/tofile", "/tofile/new"];
const PATTERNS = [
  "*",
  "?",
  "a*",
  "*.txt",
  "[ab]",
  "[^a]*",
  "[a-b].txt",
  "*/*",
  "*/a",
  "d/*",
  "d*/*.txt",
  "a?txt",
  "\\a",
  "[!a]",
  ".*",
  "d/e/*",
  "**/a",
  "d/**",
];
const IGNORED = [
  "*",
  "!*",
  "**",
  "*.txt",
  "!a.txt",
  "d",
  "!d/a",
  "d/e",
  "**/a",
  "!**/a",
  "d/*",
  "!d/e/a",
  "/d",
  "a/",
  "*/b",
  "!d/*.txt",
  "**/*.txt",
  "[ab]",
  "!d",
  "d/**",
  "!d/**/a",
  "?",
  "# c",
  "  b  ",
  "! b",
  "./a",
  "d/../b",
  ".h",
  "!.h",
];

/** The case of a seed: the same one for the same seed. */
export function randomCase(seed: number, options: RandomCaseOptions): RandomCase {
  const random = createRandom(seed);
  const paths: string[] = [];
  const context = randomContext(random, paths);
  if (random.chance(20)) {
    const lines = Array.from({ length: 1 + random.below(5) }, () => random.pick(IGNORED));
    context.push(`f 0644 .dockerignore ${JSON.stringify(`${lines.join("\n")}\n`)}`);
  }
  const args = random.chance(30) ? [`build-arg P=${random.pick(["a", "d", "", "b.txt"])}`] : [];
  return { seed, context, options: args, dockerfile: randomDockerfile(random, paths, options) };
}

/** mulberry32 */
function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { below, chance: (percent) => next() * 100 < percent, pick: (from) => from[below(from.length)] as (typeof from)[number] };
}

function randomContext(random: Random, paths: string[]): string[] {
  const lines: string[] = [];
  const files: string[] = [];
  const directories = [""];
  const used = new Set<string>();
  const add = (path: string, line: string): void => {
    used.add(path);
    paths.push(path);
    lines.push(line);
  };
  for (const name of ["d", "d/e", "f"].slice(0, 1 + random.below(3))) {
    add(name, `d ${random.pick(DIRECTORY_MODES)} ${name}`);
    directories.push(`${name}/`);
  }
  for (let count = 3 + random.below(8); count > 0; count--) {
    const path = `${random.pick(directories)}${random.pick(NAMES)}`;
    if (used.has(path)) continue;
    const kind = random.below(100);
    if (kind < 55 || files.length === 0) {
      add(path, `f ${random.pick(FILE_MODES)} ${path} ${JSON.stringify(random.chance(10) ? "" : path)}`);
      files.push(path);
    } else if (kind < 75)
      add(
        path,
        `l ${path} ${random.pick(["a", "b.txt", "d", "../a", "/a", "/d", "e", "../d/e", ...(random.chance(10) ? ["nowhere", "../../etc/passwd", path.split("/").at(-1) ?? ""] : [...used].map((known) => `/${known}`))])}`,
      );
    else if (kind < 85) add(path, `h ${path} ${random.pick(files)}`);
    else {
      add(path, `t ${path}${random.pick(["", " gzip", " bzip2", " xz"])}`);
      lines.push(...randomArchive(random));
    }
  }
  return lines;
}

function randomArchive(random: Random): string[] {
  const lines: string[] = [];
  const owner = (): string => random.pick(["0:0", "1:2", "1000:1001", "70000:70001"]);
  const files: string[] = [];
  for (let count = 1 + random.below(5); count > 0; count--) {
    const path = random.pick(["a", "b", "d/a", "d/e/b", "./x", "/y", "rel/n", "kept/old", "abs/q", "tofile"]);
    const kind = random.below(10);
    if (kind < 5 || files.length === 0) {
      lines.push(`  f ${random.pick(FILE_MODES)} ${owner()} ${path} ${JSON.stringify(`tar ${count}`)}`);
      files.push(path);
    } else if (kind < 7) lines.push(`  d ${random.pick(DIRECTORY_MODES)} ${owner()} ${random.pick(["d", "kept", "real", "n", ".", "rel", "d/e"])}`);
    else if (kind < 9) lines.push(`  l ${owner()} ${random.pick(["s", "d/s", "kept"])} ${random.pick(["a", "/real", "../b", "nowhere"])}`);
    else lines.push(`  h 0644 ${owner()} ${random.pick(["hard", "d/hard"])} ${random.pick(files)}`);
  }
  return lines;
}

function randomDockerfile(random: Random, paths: readonly string[], options: RandomCaseOptions): string {
  const stages = 1 + random.below(3);
  const text: string[] = random.chance(30) ? ["ARG G=base"] : [];
  for (let stage = 0; stage < stages; stage++) {
    const bases = [
      "base",
      "base",
      "scratch",
      ...(text[0] === "ARG G=base" ? ["$G", "${G:-scratch}"] : []),
      ...Array.from({ length: stage }, (_, at) => `s${at}`),
    ];
    const base = random.pick(bases);
    text.push(`FROM ${base} AS s${stage}`);
    const canRun = options.run && base !== "scratch";
    for (let count = 2 + random.below(6); count > 0; count--) text.push(randomInstruction(random, paths, { stage, canRun }));
  }
  return `${text.join("\n")}\n`;
}

function randomInstruction(random: Random, paths: readonly string[], { stage, canRun }: { readonly stage: number; readonly canRun: boolean }): string {
  const kind = random.below(100);
  if (kind < 45) return transfer(random, "COPY", random.chance(stage > 0 ? 45 : 0) ? random.below(stage) : undefined, paths);
  if (kind < 57) return transfer(random, "ADD", undefined, paths);
  if (kind < 67) return `WORKDIR ${random.pick(["/w", "w", "/kept", "/rel", "/abs/new", "/", "..", "./x", "$E", "/dangling", "/deep/er/est", "."])}`;
  if (kind < 72) return `USER ${random.pick(["ada", "1000", "7:8", "nobody:staff", "root", "0", "5:", "70000"])}`;
  if (kind < 78 && canRun) return `RUN ${random.pick(COMMANDS)}`;
  return random.pick(SETTINGS);
}

const COMMANDS = [
  "rm -rf /kept/sub && mkdir /kept/sub && echo n > /kept/sub/n",
  "mv /real /moved || true",
  "chmod 700 /kept || true",
  "rm -f /rel && ln -s kept /rel || true",
  "rm -rf /kept && echo f > /kept || true",
  "mkdir -p /tmp/q/r && touch /tmp/q/r/s",
  'echo "$E|$P|$HOME|$PWD" > /tmp/env || true',
  "id -u > /tmp/id || true",
  "rm -f /dangling && echo real > /dangling || true",
  "chown -R 3:4 /real || true",
  '["sh", "-c", "echo exec > /tmp/exec || true"]',
];

const SETTINGS = [
  "ENV E=/env",
  "ENV E=a F=$E",
  "ENV E=\"${P:-none}/x\" Q='$E'",
  "ENV legacy one two  three",
  "ARG P",
  "ARG P=d",
  "ARG E=fromarg",
  'LABEL a=$E b="${P:+set}" a=again',
  "LABEL only.key=",
  'CMD ["one", "$E"]',
  "CMD shell form $E",
  'ENTRYPOINT ["e"]',
  "ENTRYPOINT shell entry",
  "ENTRYPOINT []",
  'SHELL ["/bin/sh", "-ec"]',
  "EXPOSE 80 53/udp 8000-8002",
  "EXPOSE ${PORT:-9090}",
  "VOLUME /kept /vol",
  'VOLUME ["/v w"]',
  "STOPSIGNAL SIGUSR1",
  "HEALTHCHECK --interval=5s --retries=2 CMD echo $E",
  "HEALTHCHECK NONE",
  "MAINTAINER somebody",
  "ONBUILD COPY . /onbuild/",
  "ONBUILD ENV O=1",
];

function transfer(random: Random, name: "COPY" | "ADD", from: number | undefined, paths: readonly string[]): string {
  const flags: string[] = [];
  if (from !== undefined) flags.push(`--from=${random.chance(30) ? from : `s${from}`}`);
  if (name === "COPY" && random.chance(20)) flags.push(`--chown=${random.pick(["ada", "7:8", "nobody:staff", "70000:3000000000", "12", ":9", "nosuch"])}`);
  const count = random.chance(75) ? 1 : 2;
  const sources = Array.from({ length: count }, () => source(random, from, paths));
  const target = destination(random, count > 1);
  return `${name} ${[...flags, ...sources, target].join(" ")}`;
}

function source(random: Random, from: number | undefined, paths: readonly string[]): string {
  if (from !== undefined && random.chance(85))
    return random.pick([
      "/kept",
      "/kept/old",
      "/real",
      "/abs",
      "/rel",
      "/abs/dir",
      "/tofile",
      "/etc",
      "/kept/*",
      "/*/old",
      "real/../kept",
      "/tmp/*",
      "/n*",
      "[a-c]*",
      random.chance(10) ? "/" : "/k*",
    ]);
  const kind = random.below(100);
  const path = random.pick(paths);
  if (kind < 50) return path;
  if (kind < 68) return random.pick(PATTERNS);
  if (kind < 84) return random.pick([".", "./", "/", "d", "d/", "d/.", "./d", "../d", "d/*"]);
  if (kind < 94) return `/${path}`;
  if (kind < 96) return `${path}/`;
  return random.pick(["$P", "${P:-d}", "$E", "missing", `d/../${path}`, `/../${path}`]);
}

function destination(random: Random, several: boolean): string {
  const kind = random.below(100);
  const slash = several || random.chance(45) ? "/" : "";
  if (kind < 3) return random.pick(HAZARDS);
  if (kind < 45) return `${random.pick(BASE_PATHS)}${slash}`;
  if (kind < 75) return `${random.pick(["/new", "new", "/n/e/w", "./n", "/kept/new", "/rel/new", "/dangling/new", "../up", "/a"])}${slash}`;
  return random.pick(["/", ".", "./", "/w", "/w/", "$E/", "/onbuild"]);
}
