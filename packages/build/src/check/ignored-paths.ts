import { readFile } from "node:fs/promises";
import { toBytePath } from "@varve/bytes";
import { checkOptionsOf, type Dockerfile, parseIgnore } from "@varve/dockerfile";
import type { IOOptions } from "@varve/oci";
import { CHECK_ARG, type PlanOptions } from "@varve/plan";
import type { BuildOptions } from "../build-options.ts";
import type { Definition } from "../definition.ts";

/** What the check CopyIgnoredFile needs of the plan's options; nothing where the file doesn't ask for that check. */
export async function ignoresOf(
  { context, file }: Definition,
  dockerfile: Dockerfile,
  { options, io }: { readonly options: BuildOptions; readonly io: IOOptions },
): Promise<Pick<PlanOptions, "ignores">> {
  const { experimental } = checkOptionsOf(dockerfile, options.buildArgs?.[CHECK_ARG]);
  if (experimental !== "all" && !experimental.includes("CopyIgnoredFile")) return {};
  const own = await readFile(`${file}.dockerignore`).catch(() => undefined);
  const bytes = own ?? (await context.readFile(toBytePath(".dockerignore"), io));
  if (bytes === undefined) return {};
  const matcher = parseIgnore(new TextDecoder().decode(bytes));
  return { ignores: (path) => matcher.matches(toBytePath(path)) };
}
