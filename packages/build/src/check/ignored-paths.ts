import { toBytePath } from "@varve/bytes";
import { isContextURL, readIgnoreFile } from "@varve/context";
import type { PlanOptions } from "@varve/plan";
import type { BuildOptions } from "../build-options.ts";
import type { Definition } from "../definition.ts";

/** What the check CopyIgnoredFile needs of the plan's options. Ignore files count for directories alone. */
export async function ignoresOf({ file }: Definition, options: BuildOptions): Promise<Pick<PlanOptions, "ignores">> {
  if (options.context === "-" || isContextURL(options.context)) return {};
  const ignore = await readIgnoreFile(options.context, options.dockerfile === undefined && options.file !== "-" ? file : undefined);
  return ignore === undefined ? {} : { ignores: (path) => ignore.matcher.leavesNothingOf(toBytePath(path)) };
}
