import { chmod, chown, mkdir, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeWithTools } from "@varve/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWorkspace, runProgram, VARVE, type Outcome, type Workspace } from "../../e2e/varve.ts";
import { type ListedEntry, listTar } from "./listing.ts";
import type { RungSuite } from "./rung-suite.ts";
import { PREDICTED_SUITE, SMALL_SUITE } from "./small-suite.ts";

const INDEX = fileURLToPath(new URL("../../../packages/cli/dist/index.js", import.meta.url));
const BUILD_CASES = fileURLToPath(new URL("build-cases.mjs", import.meta.url));
const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
/** Puts a command where little is granted; lies beside the repository, not in it. */
const JAIL = fileURLToPath(new URL("../../../../shared/tools/jail.mjs", import.meta.url));

interface Place {
  readonly title: string;
  /** Asked for; `auto` in jails, where the point is what is found. */
  readonly rung: string;
  readonly as: "root" | "user" | "docker" | "crio" | "restricted" | "userns";
  /** Owners that steps set are not kept. */
  readonly oneOwner?: boolean;
  /** File capabilities that steps set are not kept. */
  readonly noCapabilities?: boolean;
  /** By proot, which gives a file that is renamed its owner's right to write. */
  readonly renames?: boolean;
  /** May be missing: its reason. */
  readonly optional?: string;
  /** Built in the long run only: another rung or place tells most of it. */
  readonly long?: boolean;
}

/** The first is what the others are held against; what it gives is held against BuildKit by the conformance suites. */
const PLACES: readonly Place[] = [
  { title: "namespace as root", rung: "namespace", as: "root" },
  { title: "bwrap as root", rung: "bwrap", as: "root", oneOwner: true, long: true },
  { title: "chroot as root", rung: "chroot", as: "root" },
  { title: "namespace as an ordinary user", rung: "namespace", as: "user", oneOwner: true, long: true },
  { title: "bwrap as an ordinary user", rung: "bwrap", as: "user", oneOwner: true, long: true },
  { title: "Docker's default container", rung: "auto", as: "docker", optional: "../shared/tools/jail.mjs", long: true },
  { title: "a laptop with user namespaces", rung: "auto", as: "userns", oneOwner: true, optional: "../shared/tools/jail.mjs", long: true },
  { title: "oci as root", rung: "oci", as: "root", long: true },
  // nothing but Landlock keeps a step of root's on proot from the devices of the machine it runs on
  { title: "proot as root", rung: "proot", as: "docker", oneOwner: true, renames: true, optional: "../shared/tools/jail.mjs", long: true },
  { title: "proot as an ordinary user", rung: "proot", as: "user", oneOwner: true, renames: true, noCapabilities: true },
  { title: "CRI-O", rung: "auto", as: "crio", oneOwner: true, renames: true, optional: "../shared/tools/jail.mjs", long: true },
  {
    title: "PodSecurity restricted",
    rung: "auto",
    as: "restricted",
    oneOwner: true,
    renames: true,
    noCapabilities: true,
    optional: "../shared/tools/jail.mjs",
    long: true,
  },
];

interface End {
  readonly ok: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly notes: readonly string[];
}
interface Built {
  readonly ends: Readonly<Record<string, End>>;
  readonly trees: readonly ReadonlyMap<string, ListedEntry>[];
}

/** What all places together need. */
const TOOLS = ["unshare", "setpriv", "bwrap", "proot", "runc"];

/** Builds every case in every place of the core, or of the long run, and holds the results against those of the first place. */
export function describeRungs(which: "core" | "long"): void {
  describeWithTools(["busybox", ...TOOLS], "the same Dockerfiles on every rung", () => {
    describePlaces(
      SMALL_SUITE,
      PLACES.slice(1).filter(({ long = false }) => long === (which === "long")),
    );
  });
}

/** As {@link describeRungs}, for another suite and all places. */
export function describeSuite(title: string, suite: RungSuite): void {
  describeWithTools(TOOLS, title, () => describePlaces(suite, PLACES.slice(1)));
}

function describePlaces(suite: RungSuite, places: readonly Place[]): void {
  let space: Workspace;
  let reference: Built;
  beforeAll(async () => {
    space = await createWorkspace();
    await suite.makeContexts(space);
    for (const path of [space.root, join(space.root, "contexts")]) await chmod(path, 0o755);
    reference = await buildIn(space, suite, PLACES[0] as Place);
  }, 1_800_000);
  afterAll(async () => {
    await space?.[Symbol.asyncDispose]();
  });

  test("the reference builds what can be built", () => {
    expect(failures(suite, reference)).toEqual([]);
  });

  describe.each(places)("$title", (place) => {
    const missing = place.optional !== undefined && !existsSync(JAIL);
    test.skipIf(missing)(missing ? `gives the same (needs ${place.optional})` : "gives the same", { timeout: 1_800_000 }, async () => {
      const built = await buildIn(space, suite, place);
      expect(failures(suite, built)).toEqual([]);
      // what a rung cannot do may be why a step failed
      const { notes = ["no such case"] } = built.ends["a step that fails"] ?? {};
      if (place.oneOwner === true) expect(notes).not.toEqual([]);
      for (const [at, { name, owners, apart = [], capabilities = [], renamed = [] }] of suite.cases.entries()) {
        const [wanted, found] = [reference.trees[at], built.trees[at]];
        if (wanted === undefined || found === undefined) continue;
        const oneOwner = place.oneOwner === true;
        const isApart = (path: string): boolean =>
          (oneOwner && apart.includes(path)) ||
          (place.renames === true && renamed.includes(path)) ||
          (place.noCapabilities === true && capabilities.includes(path)) ||
          suite.apart(path, oneOwner);
        const lines = (tree: typeof found): string[] => describeTree(tree, wanted, { anyOwner: oneOwner && owners === true, isApart });
        expect(lines(found), `${name} ${built.ends[name]?.notes.join("; ") ?? ""}`).toEqual(lines(wanted));
      }
    });
  });
}

/** Cases that did not end as they should. */
function failures({ cases }: RungSuite, { ends }: Built): string[] {
  return cases.flatMap(({ name, fails, spawns = false }) => {
    const end = ends[name];
    if (spawns && end?.ok === false && end.notes.some((note) => note.includes("posix_spawn"))) return [];
    if (fails === undefined) return end?.ok === true ? [] : [`${name}: ${end?.message ?? "was not built"}`];
    return end?.ok === false && end.message?.includes(fails) === true ? [] : [`${name}: should fail with ${fails}: ${end?.message ?? "built"}`];
  });
}

/** Lines to compare; times that the step did not set are of the moment. */
function describeTree(
  tree: ReadonlyMap<string, ListedEntry>,
  reference: ReadonlyMap<string, ListedEntry>,
  { anyOwner, isApart }: { readonly anyOwner: boolean; readonly isApart: (path: string) => boolean },
): string[] {
  const now = Date.now() / 1000 - 86_400;
  return [...tree]
    .filter(([path]) => !isApart(path))
    .map(([path, { owner, what, mtime }]) => {
      const timed = (reference.get(path)?.mtime ?? now) < now;
      return [path, what, anyOwner ? "" : owner, timed ? mtime : ""].join(" ");
    })
    .toSorted();
}

/** Asks doctor on rungs of the core what it predicts for each case, and builds them. */
export function describePredictions(): void {
  describeWithTools(["busybox", ...TOOLS], "what doctor predicts", () => {
    let space: Workspace;
    let reference: Built;
    beforeAll(async () => {
      space = await createWorkspace();
      await PREDICTED_SUITE.makeContexts(space);
      await space.files("predicted", { Dockerfile: PREDICTED_SUITE.cases.map(({ dockerfile }) => dockerfile).join("") });
      for (const path of [space.root, join(space.root, "contexts")]) await chmod(path, 0o755);
      reference = await buildIn(space, PREDICTED_SUITE, PLACES[0] as Place);
    }, 300_000);
    afterAll(async () => {
      await space?.[Symbol.asyncDispose]();
    });

    const places = PLACES.filter(
      ({ rung, as }) => (rung === "namespace" || rung === "proot") === (as === "user") && ["namespace", "chroot", "proot"].includes(rung),
    );
    test.each(places)("comes true: $title", { timeout: 300_000 }, async (place) => {
      const built = await buildIn(space, PREDICTED_SUITE, place);
      const args = [VARVE, "doctor", "--json", "--sandbox", place.rung, join(space.root, "predicted")];
      const { stdout } = await runAs(place.as, space.root, args, join(space.root, `${place.rung}-${place.as}`, "home"));
      const { steps } = (
        JSON.parse(stdout) as { readonly dockerfile: { readonly steps: readonly { readonly problems: readonly { readonly kind: string }[] }[] } }
      ).dockerfile;
      for (const [at, { name }] of PREDICTED_SUITE.cases.entries()) {
        const kinds = steps[at]?.problems.map(({ kind }) => kind) ?? [];
        const [wanted = new Map<string, ListedEntry>(), found] = [reference.trees[at], built.trees[at]];
        const lines = (tree: typeof wanted): string[] => describeTree(tree, wanted, { anyOwner: false, isApart: () => false });
        const end = found === undefined ? "fails" : lines(found).join("\n") === lines(wanted).join("\n") ? "same" : "differs";
        const expected = ["fails", "differs", "may differ"].find((kind) => kinds.includes(kind)) ?? "same";
        if (expected !== "may differ") expect(`${name}: ${end}`).toBe(`${name}: ${expected}`);
      }
    });
  });
}

async function buildIn(space: Workspace, suite: RungSuite, place: Place): Promise<Built> {
  const directory = join(space.root, `${place.rung}-${place.as}`);
  const out = join(directory, "out");
  await mkdir(out, { recursive: true });
  if (place.as !== "root") for (const path of [directory, out]) await chown(path, place.as === "docker" || place.as === "crio" ? 0 : 1000, 0);
  const command = [BUILD_CASES, INDEX, suite.name, place.rung, join(directory, "home"), join(space.root, "contexts"), out];
  const { code, stderr } = await runAs(place.as, space.root, command);
  if (code !== 0) throw new Error(`${place.title}: ${stderr}`);
  const ends = JSON.parse(await readFile(join(out, "ends.json"), "utf8")) as Built["ends"];
  const trees: ReadonlyMap<string, ListedEntry>[] = [];
  for (const [at, { name }] of suite.cases.entries()) if (ends[name]?.ok === true) trees[at] = await listTar(join(out, `${at}.tar`));
  return { ends, trees };
}

function runAs(as: Place["as"], root: string, command: readonly string[], home?: string): Promise<Outcome> {
  const env = { HOME: root, ...(home === undefined ? {} : { VARVE_HOME: home }) };
  if (as === "root") return runProgram(process.execPath, command, { env });
  if (as === "user") {
    const ids = ["--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
    return runProgram("setpriv", [...ids, process.execPath, ...command], { env });
  }
  // a jail has a /tmp of its own, which the repository may lie in
  return runProgram(process.execPath, [JAIL, as, "--rw", root, "--rw", REPOSITORY, "--", process.execPath, ...command], { env });
}
