// Builds cases on one rung and writes, as JSON, how each ended; each result is a tar in the output folder.
//   node build-cases.mjs VARVE-INDEX SMALL|WIDE|DEBIAN|PREDICTED RUNG HOME CONTEXTS OUT
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEBIAN_CASES } from "./debian-cases.mjs";
import { PREDICTED_CASES, SMALL_CASES, WIDE_CASES } from "./rung-cases.mjs";
import { startAgent } from "./ssh-agent.mjs";

const [index, which, sandbox, home, contexts, out] = process.argv.slice(2);
const { build } = await import(index);
const cases = { SMALL: SMALL_CASES, WIDE: WIDE_CASES, DEBIAN: DEBIAN_CASES, PREDICTED: PREDICTED_CASES }[which];
process.env.TOKEN_OF_RUNGS = "s3cr3t-value";
await mkdir(out, { recursive: true });
// bases are named contexts, built into the store by whoever runs the cases
const base = which === "DEBIAN" ? "debian" : "bb";
await build({ context: join(contexts, base), home, tags: [base] });
const others = (await readdir(contexts)).filter((name) => name !== base && name !== "given");
const buildContexts = Object.fromEntries(others.map((name) => [name, join(contexts, name)]));
const agent = which === "DEBIAN" ? startAgent(out) : undefined;
const ends = {};
for (const [at, { name, dockerfile }] of cases.entries()) {
  const notes = new Set();
  try {
    await build({
      context: join(contexts, "given"),
      dockerfile: dockerfile.replaceAll("id=RUNG", `id=rung-${sandbox}-${at}`),
      home,
      buildContexts,
      sandbox,
      noCache: true,
      ...(agent === undefined ? {} : { ssh: [{ id: "default", socket: agent.socket }] }),
      secrets: [{ id: "token", env: "TOKEN_OF_RUNGS" }],
      outputs: [{ type: "tar", dest: join(out, `${at}.tar`) }],
      onProgress(event) {
        if (event.type === "step-note") notes.add(event.message);
      },
    });
    ends[name] = { ok: true, notes: [...notes] };
  } catch (error) {
    ends[name] = { ok: false, code: error.code, message: [error.message, ...(error.details ?? [])].join("\n"), notes: [...notes] };
  }
}
agent?.end();
await writeFile(join(out, "ends.json"), JSON.stringify(ends, undefined, 1));
