// What is measured: inputs are made once, and prepared anew for each run where a run uses them up.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fresh, has } from "./surroundings.mjs";
import { makeEmptyFiles, makeTree } from "./workload.mjs";

const nothing = () => {};

/**
 * Physical limits on the same context: `[name, program, arguments, prepare]`. Each is what some part of a build can't be faster than.
 */
export function limitsOf(work, context) {
  const shell = (script) => ["sh", ["-c", script, "sh", context]];
  const copy = join(work, "copy");
  return [
    ["node -e 0", process.execPath, ["-e", "0"], nothing],
    ["find -printf", ...shell('find "$1" -printf "%p %s %T@ %i\\n" >/dev/null'), nothing],
    ["tar c | openssl dgst -sha256", ...shell('tar c "$1" | openssl dgst -sha256'), nothing],
    ["cp -a", "cp", ["-a", context, copy], () => fresh(copy)],
    ...(has("pigz") ? [["tar c | pigz", ...shell('tar c "$1" | pigz >/dev/null'), nothing]] : []),
  ];
}

/**
 * All workloads. `prepare(peer, turn)` comes before `build(turn)`, which says what a peer builds; a turn is a text of its own. `slow` ones are left out of a quick
 * run, and run once.
 */
export function workloadsOf({ work, context, host, files }) {
  const image = (name) => `${host}/${name}:1`;
  const whole = () => ({ folder: context, name: image("app"), push: true });
  const change = (peer, turn) => writeFileSync(join(context, "d0/e0/changed.js"), `// ${turn} ${peer.name}\n`.repeat(200).slice(0, 1024));
  return [
    { name: "cold COPY", make: nothing, prepare: (peer) => peer.reset(), build: whole },
    { name: "nothing changed", make: nothing, prepare: nothing, build: whole },
    { name: "one 1 KB file changed", make: nothing, prepare: change, build: whole },
    { name: "the same, not pushed", make: nothing, prepare: (peer, turn) => change(peer, `${turn}.`), build: () => ({ ...whole(), push: false }) },
    ...(busybox() === undefined ? [] : runWorkloads(work, image)),
    ...topWorkloads(work, host, image),
    fileWorkload(work, image),
    emptyWorkload(work, image, Math.max(50 * files, 1000)),
  ];
}

function runWorkloads(work, image) {
  const steps = join(work, "steps");
  const stages = join(work, "stages");
  const round = (turn) => ["--build-arg", `ROUND=${turn}`];
  const start = "COPY busybox /bin/sh\nCOPY busybox /bin/busybox\nARG ROUND\n";
  const withBusybox = (folder, dockerfile) => {
    mkdirSync(folder);
    copyFileSync(busybox(), join(folder, "busybox"));
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
  };
  const branch = (name) => `FROM base AS ${name}\nARG ROUND\nRUN /bin/busybox sleep 2; echo $ROUND > /${name}\n`;
  return [
    {
      name: "ten RUNs",
      make: () => withBusybox(steps, `FROM scratch\n${start}${Array.from({ length: 10 }, (_, i) => `RUN echo $ROUND > /f${i}\n`).join("")}`),
      prepare: nothing,
      build: (turn) => ({ folder: steps, name: image("steps"), args: round(turn) }),
    },
    {
      name: "two branches of 2 s",
      make: () => withBusybox(stages, `FROM scratch AS base\n${start}${branch("a")}${branch("b")}FROM base\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n`),
      prepare: nothing,
      build: (turn) => ({ folder: stages, name: image("stages"), args: round(turn) }),
    },
  ];
}

/** One file on top of the image that the first workload pushed. */
function topWorkloads(work, host, image) {
  const folder = join(work, "top");
  const build = () => ({ folder, name: image("top"), push: true });
  const write = (text) => writeFileSync(join(folder, "file"), text);
  const make = () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "Dockerfile"), `FROM ${host}/app:1\nCOPY file /file\n`);
  };
  return [
    {
      name: "pull + COPY + push, cold",
      make,
      async prepare(peer, turn) {
        await peer.reset();
        write(`cold ${turn} ${peer.name}`);
      },
      build,
    },
    { name: "the same, base known", make: nothing, prepare: (peer, turn) => write(`warm ${turn} ${peer.name}`), build },
  ];
}

function fileWorkload(work, image) {
  const folder = join(work, "large");
  return {
    name: "one file of 4 GiB, zeros",
    slow: true,
    make() {
      mkdirSync(folder);
      writeFileSync(join(folder, "file"), "");
      truncateSync(join(folder, "file"), 4 * 2 ** 30);
      writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY file /file\n");
    },
    prepare: (peer) => peer.reset(),
    build: () => ({ folder, name: image("large") }),
  };
}

function emptyWorkload(work, image, count) {
  const folder = join(work, "empty");
  return {
    name: `${count} empty files`,
    slow: true,
    make() {
      makeEmptyFiles(join(folder, "files"), count);
      writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY files /files\n");
    },
    prepare: (peer) => peer.reset(),
    build: () => ({ folder, name: image("empty") }),
  };
}

/** A busybox that needs no libraries. */
function busybox() {
  try {
    const path = execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim();
    return execFileSync("sh", ["-c", `ldd ${path} 2>&1 || true`], { encoding: "utf8" }).includes("=>") ? undefined : path;
  } catch {
    return undefined;
  }
}

/** The context of the first workloads. */
export function makeContext(context, files) {
  makeTree(context, { files, meanSize: 15_000, seed: 1 });
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /app\n");
}
